import LifeboatCore
import LifeboatSystem

/// An NBD export, reached over a few connections that its users take in turn.
///
/// Safe from many threads.
final class NBDExport: Sendable {
    let name: String
    let properties: NBDConnection.Properties
    private let uri: String
    private let options: NBDOptions
    private let condition = Condition()
    private let state: Guarded<State>

    private struct State {
        var idle: [NBDConnection] = []
        /// Connections that exist, idle or in use.
        var open = 0
        var limit = 1
    }

    private static let usualConnections = 4
    /// How long a further connection may take: without it the work goes on over the others.
    private static let furtherSeconds = 5.0
    private static let reconnectSeconds = 5.0
    private static let statusByteCount: UInt64 = 1 << 30
    private static let zeroByteCount: UInt64 = 128 << 20
    private static let zerosByteCount: UInt64 = 1 << 20

    init(uri: String, options: NBDOptions) throws(LifeboatError) {
        name = options.name ?? uri
        self.uri = uri
        self.options = options
        state = Guarded(State())
        let first: NBDConnection
        do throws(NBDFault) {
            first = try NBDConnection(
                uri: uri, options: options, timeoutSeconds: options.timeoutSeconds)
        } catch {
            throw LifeboatError(
                error.kind == .answer ? .refused : .unavailable,
                "cannot connect to the NBD export \(name)", subject: name, cause: error.cause,
                advice: "see whether the server runs and has an export of this name")
        }
        properties = first.properties
        let wanted = max(1, options.connections ?? Self.usualConnections)
        let limit = first.properties.allowsSeveralConnections ? wanted : 1
        state.withLock { $0 = State(idle: [first], open: 1, limit: limit) }
    }

    // MARK: requests

    func read(
        at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) {
        guard target.count > 0 else { return }
        let extent = Extent(offset: offset, length: UInt64(target.count))
        let whole = aligned(extent)
        if whole == extent {
            return try perform("read", extent) { connection throws(NBDFault) in
                try connection.read(at: offset, into: target)
            }
        }
        let buffer = Buffer(capacity: Int(whole.length))
        try perform("read", extent) { connection throws(NBDFault) in
            try connection.read(at: whole.offset, into: buffer.storage)
        }
        let start = Int(offset - whole.offset)
        target.copyMemory(
            from: UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(buffer.storage)[start..<start + target.count]))
    }

    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LifeboatError) {
        guard bytes.count > 0 else { return }
        let extent = Extent(offset: offset, length: UInt64(bytes.count))
        let whole = aligned(extent)
        if whole == extent {
            return try perform("written", extent) { connection throws(NBDFault) in
                try connection.write(at: offset, bytes)
            }
        }
        let buffer = Buffer(capacity: Int(whole.length))
        buffer.count = buffer.capacity
        let start = Int(offset - whole.offset)
        try perform("written", extent) { connection throws(NBDFault) in
            try connection.read(at: whole.offset, into: buffer.storage)
            UnsafeMutableRawBufferPointer(
                rebasing: buffer.storage[start..<start + bytes.count]
            ).copyMemory(from: bytes)
            try connection.write(at: whole.offset, buffer.bytes)
        }
    }

    func zero(_ extent: Extent) throws(LifeboatError) {
        let step = properties.alignment
        var offset = extent.offset
        while offset < extent.end {
            let left = extent.end - offset
            let whole = min(Self.zeroByteCount, left) / step * step
            let piece: Extent
            if properties.canZero, offset % step == 0, whole > 0 {
                piece = Extent(offset: offset, length: whole)
                try perform("zeroed", piece) { connection throws(NBDFault) in
                    try connection.zero(piece)
                }
            } else {
                // Up to the next place from which the server can do it.
                let most = properties.canZero ? step - offset % step : Self.zerosByteCount
                piece = Extent(offset: offset, length: min(most, left))
                let zeros = [UInt8](repeating: 0, count: Int(piece.length))
                try zeros.withBytes { raw throws(LifeboatError) in
                    try write(at: piece.offset, raw)
                }
            }
            offset = piece.end
        }
    }

    func flush() throws(LifeboatError) {
        let whole = Extent(offset: 0, length: properties.size)
        try perform("flushed", whole) { connection throws(NBDFault) in try connection.flush() }
    }

    /// The runs between two offsets whose flags are of interest; all where the server does not
    /// tell.
    func runs(
        from start: UInt64, to end: UInt64, context: String, where isWanted: (UInt32) -> Bool
    ) throws(LifeboatError) -> [Extent] {
        let end = min(end, properties.size)
        guard start < end else { return [] }
        guard properties.contexts.contains(context) else {
            return [Extent(offset: start, length: end - start)]
        }
        var collector = ExtentCollector()
        var position = start
        while position < end {
            let extent = aligned(
                Extent(offset: position, length: min(Self.statusByteCount, end - position)))
            let runs = try perform("looked at", extent) { connection throws(NBDFault) in
                try connection.status(extent, context: context)
            }
            var offset = extent.offset
            for run in runs where offset < end {
                let runEnd = min(end, offset + run.length)
                if isWanted(run.flags), runEnd > max(offset, position) {
                    let from = max(offset, position)
                    collector.add(Extent(offset: from, length: runEnd - from))
                }
                offset = runEnd
            }
            if offset <= position {
                // An answer that says nothing: what is not known counts as wanted.
                offset = min(end, extent.end)
                collector.add(Extent(offset: position, length: offset - position))
            }
            position = offset
        }
        return collector.extents
    }

    private func aligned(_ extent: Extent) -> Extent {
        let step = properties.alignment
        let start = extent.offset / step * step
        let end = min(
            max(properties.size, extent.end), (extent.end + step - 1) / step * step)
        return Extent(offset: start, length: end - start)
    }

    // MARK: connections

    private func perform<Result>(
        _ what: String, _ extent: Extent,
        _ body: (NBDConnection) throws(NBDFault) -> Result
    ) throws(LifeboatError) -> Result {
        var reconnects = properties.isReadOnly ? options.reconnects : 0
        while true {
            do throws(NBDFault) {
                let connection = try take()
                do throws(NBDFault) {
                    let result = try body(connection)
                    give(connection)
                    return result
                } catch {
                    give(connection)
                    throw error
                }
            } catch {
                if error.kind == .dropped, reconnects > 0 {
                    reconnects -= 1
                    forgetIdle()
                    continue
                }
                throw error.error(
                    "bytes \(extent.offset)-\(extent.end) of \(name) could not be \(what)",
                    subject: name, reading: what == "read")
            }
        }
    }

    private func take() throws(NBDFault) -> NBDConnection {
        while true {
            let (idle, isFirst): (NBDConnection?, Bool) = condition.withLock {
                while true {
                    let answer: (NBDConnection?, Bool)? = state.withLock { state in
                        if let idle = state.idle.popLast() { return (idle, false) }
                        guard state.open < state.limit else { return nil }
                        state.open += 1
                        return (nil, state.open == 1)
                    }
                    if let answer { return answer }
                    // Each of those in use is given back within its timeout.
                    condition.wait()
                }
            }
            if let idle { return idle }
            do throws(NBDFault) {
                return isFirst ? try reconnect() : try connect(Self.furtherSeconds)
            } catch {
                let isOnly = condition.withLock {
                    let left = state.withLock { state in
                        state.open -= 1
                        state.limit = max(1, state.open)
                        return state.open
                    }
                    condition.broadcast()
                    return left == 0
                }
                if isOnly { throw error }
            }
        }
    }

    /// Takes a connection back, or forgets it where it is lost.
    private func give(_ connection: NBDConnection) {
        condition.withLock {
            state.withLock { state in
                if connection.isUsable {
                    state.idle.append(connection)
                } else {
                    state.open -= 1
                }
            }
            condition.broadcast()
        }
    }

    /// The other connections went to the same server, and are lost with it.
    private func forgetIdle() {
        condition.withLock {
            state.withLock { state in
                state.open -= state.idle.count
                state.idle = []
            }
            condition.broadcast()
        }
    }

    /// A server that was started anew takes a moment.
    private func reconnect() throws(NBDFault) -> NBDConnection {
        let deadline = Clock.monotonicSeconds() + Self.reconnectSeconds
        while true {
            do throws(NBDFault) {
                return try connect(options.timeoutSeconds)
            } catch {
                guard error.kind == .dropped, Clock.monotonicSeconds() < deadline else {
                    throw error
                }
                Threads.sleep(seconds: 0.25)
            }
        }
    }

    private func connect(_ seconds: Double) throws(NBDFault) -> NBDConnection {
        let connection = try NBDConnection(
            uri: uri, options: options, timeoutSeconds: options.timeoutSeconds,
            connectSeconds: min(seconds, options.timeoutSeconds))
        guard connection.properties == properties else {
            throw NBDFault(kind: .answer, cause: "the server has another export by this name now")
        }
        return connection
    }
}
