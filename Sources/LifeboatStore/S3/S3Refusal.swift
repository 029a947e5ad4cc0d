internal import LifeboatCore

/// Turns refusals of a store into errors that say what to do.
struct S3Refusal {
    let endpoint: S3Endpoint

    /// What a response that is no success means for the object or bucket `subject`.
    func error(_ response: HTTPResponse, subject: String) -> LifeboatError {
        let answer = RefusalAnswer(response)
        let (code, message, advice) = explanation(response.status, answer, subject)
        return LifeboatError(
            code, message, subject: subject, cause: Self.cause(response.status, answer),
            advice: advice)
    }

    /// What it means that of many deletions `count` failed, the first as `failure` says.
    func error(_ failure: DeletionAnswer.Failure, count: Int, subject: String) -> LifeboatError {
        let status = failure.code == "InternalError" || failure.code == "SlowDown" ? 503 : 403
        let answer = RefusalAnswer(code: failure.code, message: failure.message)
        let (code, message, advice) = explanation(status, answer, subject)
        return LifeboatError(
            code, "\(count) objects could not be deleted: \(message)", subject: subject,
            cause: [failure.code, String(failure.message.prefix(200))].joined(separator: ", "),
            advice: advice)
    }

    /// Whether the bucket itself is not there.
    static func isMissingBucket(_ response: HTTPResponse) -> Bool {
        response.status == 404 && RefusalAnswer(response).code == "NoSuchBucket"
    }

    private static func cause(_ status: Int, _ answer: RefusalAnswer) -> String {
        var parts = ["HTTP \(status)"]
        if !answer.code.isEmpty { parts.append(answer.code) }
        // A store's words may be long, and name what is not ours.
        if !answer.message.isEmpty { parts.append(String(answer.message.prefix(200))) }
        return parts.joined(separator: ", ")
    }

    private typealias Explanation = (LifeboatError.Code, String, String?)

    private func explanation(
        _ status: Int, _ answer: RefusalAnswer, _ subject: String
    ) -> Explanation {
        let bucket = endpoint.location.bucket
        switch answer.code {
        case "NoSuchBucket":
            return (
                .noRepository, "there is no bucket \(bucket)",
                "check the name and the address; lifeboat init makes the bucket"
            )
        case "QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "InsufficientCapacity":
            return (.full, "the store has no space left, or the quota is used up", nil)
        case "EntityTooLarge":
            return (.refused, "the store takes no objects of this size", nil)
        case "BadDigest", "XAmzContentSHA256Mismatch":
            return (
                .unavailable, "the bytes change on their way to the store, again and again",
                "check the network, and this host's memory"
            )
        default: break
        }
        if let refusal = identity(answer.code, bucket) { return refusal }
        if let refusal = place(status, answer, bucket) { return refusal }
        switch status {
        case 404: return (.missing, "\(subject) is not there", nil)
        case 403, 401:
            return (.denied, "the store refuses access", Self.permissions(bucket))
        case 501, 405: return (.unsupported, "the store cannot do this", nil)
        case 507: return (.full, "the store has no space left", nil)
        case 408, 429, 500...:
            return (.unavailable, "the store cannot do it now", "try again later")
        default: return (.denied, "the store refuses the request", nil)
        }
    }

    /// Refusals that are about who asks.
    private func identity(_ code: String, _ bucket: String) -> Explanation? {
        switch code {
        case "SignatureDoesNotMatch":
            (
                .denied, "the store does not accept the signature",
                "check the secret key; region \(endpoint.region) was signed for, and a proxy must "
                    + "not change the header Host"
            )
        case "RequestTimeTooSkewed", "RequestExpired":
            (
                .denied, "the clocks of this host and of the store differ too much",
                "set this host's clock"
            )
        case "InvalidAccessKeyId":
            (
                .denied, "the store does not know the access key",
                "check AWS_ACCESS_KEY_ID or the profile, and that the address is the right store's"
            )
        case "ExpiredToken", "TokenRefreshRequired", "InvalidToken":
            (
                .denied, "the temporary credentials are not valid any more",
                "get new ones and start again; what was stored is kept"
            )
        case "AccessDenied", "AllAccessDisabled", "AccountProblem", "UserSuspended":
            (.denied, "the store denies access", Self.permissions(bucket))
        default: nil
        }
    }

    /// Refusals that are about where the bucket is.
    private func place(
        _ status: Int, _ answer: RefusalAnswer, _ bucket: String
    ) -> Explanation? {
        let isElsewhere =
            [301, 302, 307, 308].contains(status)
            || [
                "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException", "InvalidRegion",
            ].contains(answer.code)
        guard isElsewhere else { return nil }
        if let region = answer.region, region != endpoint.region {
            return (
                .denied, "the bucket \(bucket) is in region \(region), not \(endpoint.region)",
                "add ?region=\(region) to the location, or set AWS_REGION"
            )
        }
        return (
            .denied, "the bucket \(bucket) is not at this address, or not in this region",
            "check the address; region \(endpoint.region) was asked, and ?region= sets another"
        )
    }

    private static func permissions(_ bucket: String) -> String {
        "allow these credentials to list, get, put and delete in the bucket \(bucket), or use others"
    }
}
