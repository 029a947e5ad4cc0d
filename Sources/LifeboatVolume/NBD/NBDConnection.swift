internal import CNBD
internal import Glibc
import LifeboatCore
import LifeboatSystem

/// One connection to an NBD server, used by one thread at a time.
///
/// No call waits longer than the timeout without progress. After a fault that is no answer the
/// connection is closed, and no memory of a caller is touched any more.
final class NBDConnection: @unchecked Sendable {
    /// What the server says of the export.
    struct Properties: Equatable {
        var size: UInt64
        var isReadOnly: Bool
        var allowsSeveralConnections: Bool
        var canFlush: Bool
        var canZero: Bool
        /// Offsets and lengths of requests are multiples of this.
        var alignment: UInt64
        /// Bytes of one request.
        var maximum: UInt64
        /// The metadata contexts that it agreed to.
        var contexts: Set<String>
    }

    static let allocationContext = "base:allocation"

    let properties: Properties
    private var handle: OpaquePointer?
    private let timeoutSeconds: Double

    private static let pieceByteCount: UInt64 = 1 << 20
    private static let largestRequest: UInt64 = 32 << 20
    private static let requestsInFlight = 16

    init(
        uri: String, options: NBDOptions, timeoutSeconds: Double, connectSeconds: Double? = nil
    ) throws(NBDFault) {
        guard let handle = nbd_create() else { throw Self.lastFault(.dropped) }
        do throws(NBDFault) {
            try Self.configure(handle, options)
            try Self.connect(handle, uri, connectSeconds ?? timeoutSeconds)
            properties = try Self.properties(handle, options)
        } catch {
            nbd_close(handle)
            throw error
        }
        self.handle = handle
        self.timeoutSeconds = timeoutSeconds
    }

    deinit { close() }

    /// Whether requests may still be made.
    var isUsable: Bool { handle != nil }

    private func close() {
        guard let handle else { return }
        // Says goodbye where that takes no waiting.
        if nbd_aio_is_ready(handle) == 1 { _ = nbd_aio_disconnect(handle, 0) }
        nbd_close(handle)
        self.handle = nil
    }

    // MARK: connecting

    private static func configure(
        _ handle: OpaquePointer, _ options: NBDOptions
    ) throws(NBDFault) {
        try check(nbd_set_uri_allow_local_file(handle, true))
        if let folder = options.tlsCertificates {
            try check(nbd_set_tls_certificates(handle, folder))
        }
        if let file = options.tlsKeyFile { try check(nbd_set_tls_psk_file(handle, file)) }
        try check(nbd_add_meta_context(handle, allocationContext))
        if let context = options.dirtyContext { try check(nbd_add_meta_context(handle, context)) }
    }

    private static func connect(
        _ handle: OpaquePointer, _ uri: String, _ timeoutSeconds: Double
    ) throws(NBDFault) {
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        if nbd_aio_connect_uri(handle, uri) < 0 {
            var fault = lastFault(.dropped)
            // The URI itself, or what it asks of the library, is at fault.
            if [EINVAL, ENOTSUP, EPERM].contains(fault.number) { fault.kind = .answer }
            throw fault
        }
        while nbd_aio_is_ready(handle) != 1 {
            let left = deadline - Clock.monotonicSeconds()
            guard left > 0 else {
                throw NBDFault(kind: .silent, cause: "no answer within \(timeoutSeconds) s")
            }
            if nbd_poll(handle, milliseconds(left)) < 0, nbd_get_errno() != EINTR {
                throw lastFault(.dropped)
            }
            if nbd_aio_is_dead(handle) == 1 || nbd_aio_is_closed(handle) == 1 {
                throw NBDFault(kind: .dropped, cause: "the server ended the connection")
            }
        }
    }

    private static func properties(
        _ handle: OpaquePointer, _ options: NBDOptions
    ) throws(NBDFault) -> Properties {
        let size = nbd_get_size(handle)
        guard size >= 0 else { throw lastFault(.dropped) }
        let alignment = UInt64(
            max(1, nbd_get_block_size(handle, Int32(LIBNBD_SIZE_MINIMUM))))
        let told = UInt64(max(0, nbd_get_block_size(handle, Int32(LIBNBD_SIZE_MAXIMUM))))
        let most = told == 0 ? largestRequest : min(told, largestRequest)
        let wanted = [allocationContext] + (options.dirtyContext.map { [$0] } ?? [])
        return Properties(
            size: UInt64(size), isReadOnly: nbd_is_read_only(handle) == 1,
            allowsSeveralConnections: nbd_can_multi_conn(handle) == 1,
            canFlush: nbd_can_flush(handle) == 1, canZero: nbd_can_zero(handle) == 1,
            alignment: alignment, maximum: max(alignment, most / alignment * alignment),
            contexts: Set(wanted.filter { nbd_can_meta_context(handle, $0) == 1 }))
    }

    // MARK: requests

    /// Fills `target`; offset and count are aligned.
    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(NBDFault) {
        guard let base = target.baseAddress else { return }
        let whole = Extent(offset: offset, length: UInt64(target.count))
        try perform(pieces(whole)) { handle, piece in
            nbd_aio_pread(
                handle, base + Int(piece.offset - offset), Int(piece.length), piece.offset, .init(),
                0)
        }
    }

    /// Writes all of `bytes`; offset and count are aligned.
    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(NBDFault) {
        guard let base = bytes.baseAddress else { return }
        let whole = Extent(offset: offset, length: UInt64(bytes.count))
        try perform(pieces(whole)) { handle, piece in
            nbd_aio_pwrite(
                handle, base + Int(piece.offset - offset), Int(piece.length), piece.offset, .init(),
                0)
        }
    }

    /// Makes an aligned run read as zeros; the server may free its space.
    func zero(_ extent: Extent) throws(NBDFault) {
        try perform([extent]) { handle, piece in
            nbd_aio_zero(handle, piece.length, piece.offset, .init(), 0)
        }
    }

    /// Returns when everything written is on stable storage, which may take long.
    func flush() throws(NBDFault) {
        guard properties.canFlush else { return }
        try perform([Extent(offset: 0, length: 0)], patience: 10) { handle, _ in
            nbd_aio_flush(handle, .init(), 0)
        }
    }

    /// What the server tells of an aligned run in one answer: lengths and flags, from its start.
    ///
    /// It may tell of less, and of more.
    func status(_ extent: Extent, context: String) throws(NBDFault) -> [NBDStatusRun] {
        let sink = NBDStatusSink(context)
        try perform([extent]) { handle, piece in
            nbd_aio_block_status(
                handle, piece.length, piece.offset,
                nbd_extent_callback(
                    callback: takeStatus, user_data: Unmanaged.passUnretained(sink).toOpaque(),
                    free: nil), .init(), 0)
        }
        // Nothing calls back after the request has been answered, or the handle closed.
        return withExtendedLifetime(sink) { sink.runs }
    }

    private func pieces(_ whole: Extent) -> [Extent] {
        let step = max(
            properties.alignment, min(properties.maximum, Self.pieceByteCount))
        return stride(from: whole.offset, to: whole.end, by: Int(step)).map {
            Extent(offset: $0, length: min(step, whole.end - $0))
        }
    }

    /// Makes a request of each piece, several at a time, and returns when all are answered.
    private func perform(
        _ pieces: [Extent], patience: Double = 1,
        _ request: (OpaquePointer, Extent) -> Int64
    ) throws(NBDFault) {
        guard let handle else {
            throw NBDFault(kind: .dropped, cause: "the connection is closed")
        }
        var next = 0
        var waiting: [UInt64] = []
        var fault: NBDFault?
        var deadline = Clock.monotonicSeconds() + timeoutSeconds * patience
        while !waiting.isEmpty || next < pieces.count && fault == nil {
            while fault == nil, next < pieces.count, waiting.count < Self.requestsInFlight {
                let cookie = request(handle, pieces[next])
                if cookie < 0 { fault = Self.lastFault(.answer) }
                if cookie >= 0 { waiting.append(UInt64(cookie)) }
                next += 1
            }
            let before = waiting.count
            waiting = waiting.filter { cookie in
                switch nbd_aio_command_completed(handle, cookie) {
                case 0: return true
                case 1: return false
                default:
                    fault = fault ?? Self.lastFault(.answer)
                    return false
                }
            }
            if waiting.count < before {
                deadline = Clock.monotonicSeconds() + timeoutSeconds * patience
                continue
            }
            guard !waiting.isEmpty else { continue }
            let left = deadline - Clock.monotonicSeconds()
            guard left > 0 else {
                close()
                throw NBDFault(
                    kind: .silent, cause: "no answer within \(timeoutSeconds * patience) s")
            }
            if nbd_poll(handle, Self.milliseconds(left)) < 0, nbd_get_errno() != EINTR {
                fault = fault ?? Self.lastFault(.dropped)
                // Closing first: what is still under way points to the caller's memory.
                close()
                throw fault ?? NBDFault(kind: .dropped, cause: "the connection is lost")
            }
        }
        guard var fault else { return }
        if fault.number == ESHUTDOWN || nbd_aio_is_ready(handle) != 1 {
            fault.kind = .dropped
            close()
        }
        throw fault
    }

    // MARK: the library's errors

    private static func check(_ result: Int32) throws(NBDFault) {
        if result < 0 { throw lastFault(.answer) }
    }

    private static func lastFault(_ kind: NBDFault.Kind) -> NBDFault {
        let text = nbd_get_error().map { String(cString: $0) } ?? "unknown error"
        return NBDFault(kind: kind, cause: text, number: nbd_get_errno())
    }

    private static func milliseconds(_ seconds: Double) -> Int32 {
        Int32(max(1, min(seconds * 1000, 1000)))
    }
}

/// A run of an answer about metadata: its length and the context's flags.
struct NBDStatusRun {
    var length: UInt64
    var flags: UInt32
}

/// Takes what a server tells of one context.
private final class NBDStatusSink {
    let context: String
    var runs: [NBDStatusRun] = []

    init(_ context: String) { self.context = context }
}

private func takeStatus(
    _ sink: UnsafeMutableRawPointer?, _ context: UnsafePointer<CChar>?, _ offset: UInt64,
    _ entries: UnsafeMutablePointer<UInt32>?, _ count: Int,
    _ error: UnsafeMutablePointer<Int32>?
) -> Int32 {
    guard let sink, let context, let entries else { return 0 }
    let taker = Unmanaged<NBDStatusSink>.fromOpaque(sink).takeUnretainedValue()
    guard strcmp(context, taker.context) == 0 else { return 0 }
    for index in 0..<count / 2 {
        taker.runs.append(
            NBDStatusRun(length: UInt64(entries[2 * index]), flags: entries[2 * index + 1]))
    }
    return 0
}
