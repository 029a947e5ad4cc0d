internal import CCurl
internal import Glibc
internal import LifeboatSystem

/// One attempt at a request: what libcurl's callbacks work on, in the one thread that runs it.
final class HTTPTransfer {
    /// More of them is no reply.
    private static let headerLimit = 256 << 10

    private let handle: EasyHandle
    private let options: HTTPOptions
    private let hasBody: Bool
    private let target: UnsafeMutableRawBufferPointer?
    private let limit: Int
    private var source: PieceReader
    private var watch: DeadlineWatch
    private var status = 0
    private var headers: [(name: String, value: String)] = []
    private var headerBytes = 0
    private var body: [UInt8] = []
    private(set) var receivedCount = 0
    /// How often the request was begun: libcurl does so once more by itself if a connection that it
    /// kept turns out to be closed.
    private(set) var begunCount = 0
    /// Seconds that a traffic limit took.
    private(set) var throttledSeconds = 0.0
    /// Why a callback ended it.
    private(set) var ended: HTTPFailure.Kind?

    init(
        _ handle: EasyHandle, options: HTTPOptions, body: [UnsafeRawBufferPointer],
        target: UnsafeMutableRawBufferPointer?, limit: Int
    ) {
        self.handle = handle
        self.options = options
        self.target = target
        self.limit = limit
        source = PieceReader(body)
        hasBody = source.count > 0
        watch = DeadlineWatch(
            options.deadlines, byteCount: source.count + (target?.count ?? limit),
            now: Clock.monotonicSeconds())
    }

    var response: HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: body, receivedCount: receivedCount)
    }

    /// Has libcurl call this object; it must live as long as the transfer.
    func install() {
        let context = Unmanaged.passUnretained(self).toOpaque()
        for option in [
            CURLOPT_READDATA, CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_SEEKDATA,
            CURLOPT_XFERINFODATA, CURLOPT_PREREQDATA,
        ] {
            lifeboat_curl_set_pointer(handle.pointer, option, context)
        }
        handle.set(CURLOPT_NOPROGRESS, 0)
        lifeboat_curl_set_bytes(handle.pointer, CURLOPT_READFUNCTION) {
            bytes, size, count, context in
            HTTPTransfer.of(context)?.send(.init(start: bytes, count: size * count))
                ?? Int(CURL_READFUNC_ABORT)
        }
        lifeboat_curl_set_bytes(handle.pointer, CURLOPT_WRITEFUNCTION) {
            bytes, size, count, context in
            HTTPTransfer.of(context)?.receive(.init(start: bytes, count: size * count)) ?? 0
        }
        lifeboat_curl_set_bytes(handle.pointer, CURLOPT_HEADERFUNCTION) {
            bytes, size, count, context in
            HTTPTransfer.of(context)?.header(.init(start: bytes, count: size * count)) ?? 0
        }
        lifeboat_curl_set_seek(handle.pointer) { context, offset, origin in
            guard origin == SEEK_SET, let transfer = HTTPTransfer.of(context),
                transfer.source.seek(Int(offset))
            else { return CURL_SEEKFUNC_FAIL }
            return CURL_SEEKFUNC_OK
        }
        lifeboat_curl_set_progress(handle.pointer) { context, _, received, _, sent in
            HTTPTransfer.of(context)?.progress(sent: sent, received: received) ?? 1
        }
        lifeboat_curl_set_request(handle.pointer) { context, _, _, _, _ in
            HTTPTransfer.of(context)?.begunCount += 1
            return CURL_PREREQFUNC_OK
        }
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> HTTPTransfer? {
        context.map { Unmanaged<HTTPTransfer>.fromOpaque($0).takeUnretainedValue() }
    }

    private func send(_ space: UnsafeMutableRawBufferPointer) -> Int {
        guard let limit = options.uploadLimit else { return source.read(into: space) }
        let piece = min(space.count, limit.piece)
        let count = source.read(into: UnsafeMutableRawBufferPointer(rebasing: space[..<piece]))
        throttle(limit, count)
        return count
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) -> Int {
        if (200..<300).contains(status), let target {
            guard bytes.count <= target.count - receivedCount else { return end(.tooLarge) }
            UnsafeMutableRawBufferPointer(rebasing: target[receivedCount...]).copyMemory(
                from: bytes)
        } else {
            guard bytes.count <= limit - receivedCount else { return end(.tooLarge) }
            body.append(contentsOf: bytes)
        }
        receivedCount += bytes.count
        if let limit = options.downloadLimit { throttle(limit, bytes.count) }
        return bytes.count
    }

    private func throttle(_ limit: TrafficLimit, _ count: Int) {
        let seconds = limit.wait(count)
        throttledSeconds += seconds
        watch.waited(seconds)
    }

    private func end(_ kind: HTTPFailure.Kind) -> Int {
        ended = ended ?? kind
        return 0
    }

    private func header(_ bytes: UnsafeRawBufferPointer) -> Int {
        headerBytes += bytes.count
        guard headerBytes <= Self.headerLimit else { return end(.tooLarge) }
        let line = String(decoding: bytes, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            // An interim reply may stand before the final one.
            headers = []
            let words = line.split(whereSeparator: \.isWhitespace)
            status = words.count > 1 ? Int(words[1]) ?? 0 : 0
        } else if let colon = line.firstIndex(of: ":") {
            headers.append(
                (
                    name: String(line[..<colon]),
                    value: HTTPTransfer.trimmed(line[line.index(after: colon)...])
                ))
        }
        return bytes.count
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    private func progress(sent: Int, received: Int) -> Int32 {
        // What the kernel still holds of a sent body moves, too, and may take long.
        var queued: Int32 = 0
        if hasBody, let socket = handle.socket { _ = ioctl(socket, UInt(TIOCOUTQ), &queued) }
        let counters = SIMD4(sent, received, headerBytes, Int(queued))
        let now = Clock.monotonicSeconds()
        let moment = options.ending.moment(now: now)
        if let moment { watch.hurry(until: moment) }
        guard let kind = watch.check(counters, now: now) else { return 0 }
        _ = end(moment == nil ? kind : .ending)
        return 1
    }
}
