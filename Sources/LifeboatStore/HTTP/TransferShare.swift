internal import CCurl
internal import LifeboatSystem

/// The names that were looked up and the TLS sessions, for all handles of a client.
final class TransferShare: @unchecked Sendable {
    /// One for each kind of data, since libcurl may hold several at once.
    private final class Locks: Sendable {
        let all = (0...Int(CURL_LOCK_DATA_LAST.rawValue)).map { _ in Condition() }

        static func of(_ context: UnsafeMutableRawPointer?, _ data: curl_lock_data) -> Condition? {
            context.map {
                Unmanaged<Locks>.fromOpaque($0).takeUnretainedValue().all[Int(data.rawValue)]
            }
        }
    }

    let pointer: UnsafeMutableRawPointer
    private let locks = Locks()

    init() {
        guard let pointer = curl_share_init() else { preconditionFailure("libcurl can share") }
        self.pointer = pointer
        lifeboat_curl_share_locks(
            pointer, { _, data, _, context in Locks.of(context, data)?.lock() },
            { _, data, context in Locks.of(context, data)?.unlock() },
            Unmanaged.passUnretained(locks).toOpaque())
        lifeboat_curl_share_data(pointer, CURL_LOCK_DATA_DNS)
        lifeboat_curl_share_data(pointer, CURL_LOCK_DATA_SSL_SESSION)
    }

    deinit { curl_share_cleanup(pointer) }
}
