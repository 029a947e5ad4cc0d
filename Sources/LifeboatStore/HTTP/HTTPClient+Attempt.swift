internal import CCurl
internal import Glibc
internal import LifeboatSystem

/// OpenSSL's numbers for a certificate that is not valid yet, or not any more.
private let certificateTimes = [9, 10]

extension HTTPClient {
    /// What one attempt came to, and what is to be known besides.
    struct Attempt {
        var outcome: Result<HTTPResponse, HTTPFailure>
        /// The request may have reached the server more than once.
        var wasRepeated = false
        var byteCount = 0
        /// Without waits for a traffic limit.
        var seconds = 0.0

        var isCongested: Bool {
            switch outcome {
            case .success(let response): [429, 503].contains(response.status)
            case .failure(let failure): failure.isCongestion
            }
        }
    }

    /// Does a request once.
    func attempt(
        _ request: HTTPRequest, body: [UnsafeRawBufferPointer],
        target: UnsafeMutableRawBufferPointer?, limit: Int
    ) -> Attempt {
        guard let headers = HeaderList(request.headers) else {
            return Attempt(
                outcome: .failure(
                    HTTPFailure(
                        kind: .request, message: "a header has a line break",
                        mayHaveTakenEffect: false)))
        }
        let handle = handles.withLock { $0.popLast() } ?? EasyHandle()
        defer { handles.withLock { $0.append(handle) } }
        handle.reset(share: share)
        configure(handle)
        describe(handle, request, headers, byteCount: body.reduce(0) { $0 + $1.count })
        let begin = Clock.monotonicSeconds()
        let transfer = HTTPTransfer(
            handle, options: options, body: body, target: target, limit: limit)
        transfer.install()
        let code = withExtendedLifetime((transfer, headers)) { curl_easy_perform(handle.pointer) }
        let isSafe = request.method.isSafe
        var outcome = Result<HTTPResponse, HTTPFailure>.success(transfer.response)
        if code != CURLE_OK || transfer.ended != nil {
            let text =
                transfer.ended == nil
                ? HTTPPlace.redact(handle.failureText(code), url: request.url) : ""
            outcome = .failure(
                HTTPFailure(
                    kind: kind(code, handle, transfer), message: text,
                    mayHaveTakenEffect: transfer.begunCount > 0 && !isSafe))
        }
        return Attempt(
            outcome: outcome, wasRepeated: transfer.begunCount > 1 && !isSafe,
            byteCount: body.reduce(transfer.receivedCount) { $0 + $1.count },
            seconds: Clock.monotonicSeconds() - begin - transfer.throttledSeconds)
    }

    /// Sets what the options say.
    private func configure(_ handle: EasyHandle) {
        handle.set(CURLOPT_CONNECTTIMEOUT_MS, Int(max(1, options.deadlines.connect * 1000)))
        handle.set(CURLOPT_USERAGENT, options.userAgent)
        if let file = options.authorityFile {
            handle.set(CURLOPT_CAINFO, file)
            // The system's authorities would be trusted besides.
            lifeboat_curl_set_string(handle.pointer, CURLOPT_CAPATH, nil)
        }
        if let address = options.sourceAddress {
            handle.set(CURLOPT_INTERFACE, "host!\(address)")
        } else if let interface = options.interface {
            handle.set(CURLOPT_INTERFACE, "if!\(interface)")
        }
    }

    /// Sets what the request says.
    private func describe(
        _ handle: EasyHandle, _ request: HTTPRequest, _ headers: HeaderList, byteCount: Int
    ) {
        handle.set(CURLOPT_URL, request.url)
        lifeboat_curl_set_pointer(handle.pointer, CURLOPT_HTTPHEADER, headers.pointer)
        switch request.method {
        case .get: handle.set(CURLOPT_HTTPGET, 1)
        case .head: handle.set(CURLOPT_NOBODY, 1)
        case .delete: handle.set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        case .put, .post:
            // libcurl's own POST would add a content type.
            handle.set(CURLOPT_UPLOAD, 1)
            handle.set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
            lifeboat_curl_set_offset(
                handle.pointer, CURLOPT_INFILESIZE_LARGE, curl_off_t(byteCount))
        }
    }

    private func kind(
        _ code: CURLcode, _ handle: EasyHandle, _ transfer: HTTPTransfer
    ) -> HTTPFailure.Kind {
        if let ended = transfer.ended { return ended }
        switch code {
        case CURLE_PEER_FAILED_VERIFICATION:
            let result = handle.verifyResult
            if result == 0 { return .wrongName }
            return certificateTimes.contains(result) ? .expired : .untrusted
        case CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM: return .authorityFile
        case CURLE_INTERFACE_FAILED: return .source
        default: break
        }
        if transfer.begunCount > 0 { return code == CURLE_OPERATION_TIMEDOUT ? .deadline : .cut }
        switch code {
        case CURLE_SSL_CONNECT_ERROR: return .handshake
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: return .request
        default: return .connect
        }
    }
}

/// The headers of a request as libcurl wants them.
private final class HeaderList {
    private(set) var pointer: UnsafeMutablePointer<curl_slist>?

    /// `nil` if a header would break out of its line.
    init?(_ headers: [(name: String, value: String)]) {
        // Not to wait for the server's leave before sending a body.
        pointer = curl_slist_append(nil, "Expect:")
        for (name, value) in headers {
            let isSound = (name + value).utf8.allSatisfy { $0 != 10 && $0 != 13 && $0 != 0 }
            guard isSound else { return nil }
            pointer = curl_slist_append(pointer, value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
    }

    deinit { curl_slist_free_all(pointer) }
}
