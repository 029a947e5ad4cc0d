internal import CCurl

/// A transfer handle of libcurl with the connections that it keeps; for one thread at a time.
final class EasyHandle: @unchecked Sendable {
    /// Idle connections older than this are not used again: many servers close them after a minute.
    private static let idleSeconds = 50
    private static let connections = 2

    private static let hasBegun = lifeboat_curl_begin() == CURLE_OK

    let pointer: UnsafeMutableRawPointer
    private let message = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init() {
        precondition(Self.hasBegun, "libcurl can be initialised")
        guard let pointer = curl_easy_init() else {
            preconditionFailure("libcurl gives a handle")
        }
        self.pointer = pointer
    }

    deinit {
        curl_easy_cleanup(pointer)
        message.deallocate()
    }

    /// Forgets all settings but keeps connections, and sets what never varies.
    func reset(share: TransferShare) {
        curl_easy_reset(pointer)
        message.pointee = 0
        lifeboat_curl_set_pointer(pointer, CURLOPT_ERRORBUFFER, message)
        lifeboat_curl_set_pointer(pointer, CURLOPT_SHARE, share.pointer)
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_MAXAGE_CONN, Self.idleSeconds)
        set(CURLOPT_MAXCONNECTS, Self.connections)
        set(CURLOPT_BUFFERSIZE, 128 << 10)
        set(CURLOPT_UPLOAD_BUFFERSIZE, 128 << 10)
    }

    func set(_ option: CURLoption, _ value: Int) {
        lifeboat_curl_set_long(pointer, option, value)
    }

    func set(_ option: CURLoption, _ value: String) {
        lifeboat_curl_set_string(pointer, option, value)
    }

    /// The library's words on the last failure.
    func failureText(_ code: CURLcode) -> String {
        message.pointee == 0 ? String(cString: curl_easy_strerror(code)) : String(cString: message)
    }

    /// Why the certificate was not accepted, as OpenSSL numbers it; 0 if that was not the reason.
    var verifyResult: Int {
        var result = 0
        lifeboat_curl_get_long(pointer, CURLINFO_SSL_VERIFYRESULT, &result)
        return result
    }

    /// The socket of the transfer; `nil` while it has none.
    var socket: Int32? {
        var socket: curl_socket_t = -1
        guard lifeboat_curl_get_socket(pointer, &socket) == CURLE_OK, socket >= 0 else {
            return nil
        }
        return socket
    }
}
