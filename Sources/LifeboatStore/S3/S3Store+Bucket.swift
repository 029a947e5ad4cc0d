internal import LifeboatCore

extension S3Store {
    private static let attempts = 5

    /// Makes the bucket unless it is there already.
    func makeBucket() throws(LifeboatError) {
        for _ in 0..<Self.attempts {
            var look = Request(.get)
            look.query = [(name: "list-type", value: "2"), (name: "max-keys", value: "1")]
            let (found, _) = try send(look)
            if found.status == 200 { return }
            guard found.status == 404 else { throw error(found, nil) }
            let made = try create()
            if (200..<300).contains(made.status) { return }
            // Others make it now, or the service says so of our own: look again. Whose it is shows
            // by whether we may list it.
            guard made.status == 409 else { throw error(made, nil) }
        }
        throw LifeboatError(
            .unavailable, "the bucket \(endpoint.location.bucket) is there and is not",
            subject: location, advice: "try again in a minute")
    }

    private func create() throws(LifeboatError) -> HTTPResponse {
        // Amazon wants to hear of every region but its first; others may not know the word.
        let text =
            endpoint.needsLocationConstraint
            ? "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                + "<LocationConstraint>\(endpoint.region)</LocationConstraint>"
                + "</CreateBucketConfiguration>" : ""
        return try Array(text.utf8).withBytes { bytes throws(LifeboatError) in
            var request = Request(.put)
            if !bytes.isEmpty { request.body = [bytes] }
            return try send(request).response
        }
    }
}
