internal import LifeboatCore
internal import LifeboatSystem

extension S3Store {
    private static let attempts = 5

    /// Makes the bucket unless it is there already.
    ///
    /// - Throws: `.refused` if it has no object lock and `locks` is wanted.
    func makeBucket(locks: Bool = false) throws(LifeboatError) {
        try findOrMakeBucket(locks: locks)
        guard locks else { return }
        // What a store does not know it may ignore, so it is asked.
        guard try askForObjectLock().isEnabled else { throw withoutLock }
        lockState.withLock { $0.isEnabled = true }
    }

    private func findOrMakeBucket(locks: Bool) throws(LifeboatError) {
        for _ in 0..<Self.attempts {
            var look = Request(.get)
            look.query = [(name: "list-type", value: "2"), (name: "max-keys", value: "1")]
            let (found, _) = try send(look)
            if found.status == 200 { return }
            guard found.status == 404 else { throw error(found, nil) }
            let made = try create(locks: locks)
            if (200..<300).contains(made.status) { return }
            // Others make it now, or the service says so of our own: look again. Whose it is shows
            // by whether we may list it.
            guard made.status == 409 else { throw error(made, nil) }
        }
        throw LifeboatError(
            .unavailable, "the bucket \(endpoint.location.bucket) is there and is not",
            subject: location, advice: "try again in a minute")
    }

    private func create(locks: Bool) throws(LifeboatError) -> HTTPResponse {
        // Amazon wants to hear of every region but its first; others may not know the word.
        let text =
            endpoint.needsLocationConstraint
            ? "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                + "<LocationConstraint>\(endpoint.region)</LocationConstraint>"
                + "</CreateBucketConfiguration>" : ""
        return try Array(text.utf8).withBytes { bytes throws(LifeboatError) in
            var request = Request(.put)
            if !bytes.isEmpty { request.body = [bytes] }
            if locks {
                request.headers = [(name: "x-amz-bucket-object-lock-enabled", value: "true")]
            }
            return try send(request).response
        }
    }
}
