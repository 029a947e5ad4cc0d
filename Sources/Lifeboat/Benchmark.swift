import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

extension Operations {
    /// Measures what this machine can do on the given volume's data, or on made-up data.
    ///
    /// `seconds`: how long each kind of work is measured, with one thread and with all.
    public static func benchmark(
        _ path: String?, seconds: Double, level: Int32, events: any EventSink,
        cancellation: Cancellation
    ) throws(LifeboatError) -> BenchmarkResult {
        let volume = try path.map { path throws(LifeboatError) in try FileVolume(path: path) }
        let run = BenchmarkRun(
            volume: volume, seconds: seconds, level: level, events: events,
            cancellation: cancellation)
        return try run.run(source: path ?? "made-up data")
    }
}

/// Runs each kind of work over pieces of the data for a while, on one thread and on all.
private final class BenchmarkRun: @unchecked Sendable {
    private static let frameByteCount = PackLayout.frameByteLimit
    private static let chunkByteCount = 65536
    /// Pieces that are kept in memory: 64 MiB.
    private static let pieceCount = 16

    private let volume: FileVolume?
    private let seconds: Double
    private let level: Int32
    private let events: any EventSink
    private let cancellation: Cancellation
    private var pieces: [Buffer] = []
    private var offsets: [UInt64] = []
    /// Bytes of the volume, and how many of them the sampled pieces stand for.
    private var zeroShare = 0.0

    init(
        volume: FileVolume?, seconds: Double, level: Int32, events: any EventSink,
        cancellation: Cancellation
    ) {
        self.volume = volume
        self.seconds = seconds
        self.level = level
        self.events = events
        self.cancellation = cancellation
    }

    func run(source: String) throws(LifeboatError) -> BenchmarkResult {
        try load()
        let threads = Threads.processorCount
        var rows: [BenchmarkRow] = []
        var combined = 0.0
        for work in Work.allCases {
            if work == .read, volume == nil { continue }
            events.tell(.note("measuring: \(work.rawValue)"))
            let one = try measure(work, threads: 1)
            let all = try measure(work, threads: threads)
            rows.append(
                BenchmarkRow(
                    work: work.rawValue, oneThread: one.speed, allThreads: all.speed,
                    ratio: one.ratio))
            if work == .together { combined = all.speed }
        }
        // Zeros cost a test only; the sample leaves them out.
        let size = volume?.size ?? UInt64(Self.pieceCount * Self.frameByteCount)
        if zeroShare > 0, zeroShare < 1 { combined /= 1 - zeroShare }
        return BenchmarkResult(
            source: source, bytes: size, threads: threads, rows: rows,
            combinedThroughput: combined)
    }

    /// Takes frames of non-zero data, evenly spread over the volume.
    private func load() throws(LifeboatError) {
        guard let volume else {
            var state: UInt64 = 1
            for index in 0..<Self.pieceCount {
                let buffer = Buffer(capacity: Self.frameByteCount)
                buffer.count = Self.frameByteCount
                // A third noise, a third text-like, a third repeated: compresses about 2:1.
                for offset in stride(from: 0, to: Self.frameByteCount, by: 8) {
                    state = state &* 6_364_136_223_846_793_005 &+ UInt64(index)
                    let kind = offset >> 12 % 3
                    let word = kind == 0 ? state : kind == 1 ? state & 0x0F0F_0F0F_0F0F_0F0F : 7
                    buffer.storage.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
                }
                pieces.append(buffer)
            }
            return
        }
        var data: UInt64 = 0
        var starts: [UInt64] = []
        var position: UInt64 = 0
        let frame = UInt64(Self.frameByteCount)
        while position < volume.size {
            let end = min(volume.size, position + (1 << 30))
            for extent in try volume.extents(from: position, to: end) {
                data += extent.length
                var start = extent.offset
                while start + frame <= extent.end {
                    starts.append(start)
                    start += frame
                }
            }
            position = end
        }
        var zeros = 0
        var tried = 0
        let candidates = 256
        var kept: [(UInt64, Buffer)] = []
        for index in 0..<min(candidates, starts.count) {
            try cancellation.check()
            let start = starts[index * starts.count / min(candidates, starts.count)]
            let buffer = Buffer(capacity: Self.frameByteCount)
            try volume.read(at: start, into: buffer.storage)
            // A backup stores no zeros, so the sample is what is left without them.
            for chunk in stride(from: 0, to: Self.frameByteCount, by: Self.chunkByteCount) {
                tried += 1
                let bytes = UnsafeRawBufferPointer(
                    rebasing: UnsafeRawBufferPointer(buffer.storage)[
                        chunk..<chunk + Self.chunkByteCount])
                if Bytes.isZero(bytes) {
                    zeros += 1
                } else {
                    UnsafeMutableRawBufferPointer(
                        rebasing: buffer.storage[
                            buffer.count..<buffer.count + Self.chunkByteCount]
                    ).copyMemory(from: bytes)
                    buffer.count += Self.chunkByteCount
                }
            }
            if buffer.count > Self.frameByteCount / 2,
                kept.count * candidates <= index * Self.pieceCount
            {
                kept.append((start, buffer))
            }
        }
        guard !kept.isEmpty else {
            throw LifeboatError(
                .refused, "the volume holds less than one frame of data in a row",
                subject: volume.name, advice: "measure a larger one")
        }
        offsets = kept.map(\.0)
        pieces = kept.map(\.1)
        let zeroBytes = Double(zeros) / Double(max(1, tried)) * Double(data)
        let holes = Double(volume.size - min(volume.size, data))
        zeroShare = (holes + zeroBytes) / Double(max(1, volume.size))
    }

    fileprivate enum Work: String, CaseIterable {
        case read
        case zeroTest = "zero test"
        case hash
        case fingerprint
        case compress
        case encrypt
        case decode
        case together = "all together"
    }

    private func measure(
        _ work: Work, threads: Int
    ) throws(LifeboatError) -> (speed: Double, ratio: Double?) {
        try cancellation.check()
        let state = Guarded((bytes: UInt64(0), output: UInt64(0), seconds: 0.0))
        let failure = Guarded<LifeboatError?>(nil)
        let start = Clock.monotonicSeconds()
        Threads.run(count: threads, name: "measure") { [self] number in
            let bench = BenchmarkWorker(level: level, volume: volume, offsets: offsets)
            var bytes: UInt64 = 0
            var output: UInt64 = 0
            var index = number
            do throws(LifeboatError) {
                // Each piece at least once, so that the ratio is that of the sample.
                while Clock.monotonicSeconds() - start < seconds || index < pieces.count,
                    !cancellation.isCancelled
                {
                    let piece = pieces[index % pieces.count]
                    output += try bench.run(work.step, piece, index % pieces.count)
                    bytes += UInt64(piece.count)
                    index += threads
                }
            } catch {
                failure.withLock { $0 = error }
            }
            let end = (bytes, output, Clock.monotonicSeconds() - start)
            state.withLock {
                $0 = ($0.bytes + end.0, $0.output + end.1, max($0.seconds, end.2))
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        try cancellation.check()
        let end = state.withLock { $0 }
        let ratio =
            work == .compress && end.bytes > 0 ? Double(end.output) / Double(end.bytes) : nil
        return (Double(end.bytes) / max(end.seconds, 1e-9), ratio)
    }
}

extension BenchmarkRun.Work {
    fileprivate var step: BenchmarkWorker.Step {
        switch self {
        case .read: .read
        case .zeroTest: .zeroTest
        case .hash: .hash
        case .fingerprint: .fingerprint
        case .compress: .compress
        case .encrypt: .encrypt
        case .decode: .decode
        case .together: .together
        }
    }
}

/// The hot loops of a backup, one a thread.
private final class BenchmarkWorker {
    enum Step {
        case read, zeroTest, hash, fingerprint, compress, encrypt, decode, together
    }

    private let volume: FileVolume?
    private let offsets: [UInt64]
    private let hasher = KeyedHasher(key: SecretBytes.random(count: 32))
    private let fingerprinter = Fingerprinter(key: SecretBytes.random(count: 32))
    private let cipher = FrameCipher(key: SecretBytes.random(count: 32))
    private let compressor: Compressor
    private let decompressor = Decompressor()
    private let packed = Buffer(capacity: Compressor.bound(PackLayout.frameByteLimit))
    private let sealed = Buffer(capacity: Compressor.bound(PackLayout.frameByteLimit) + 16)
    private let plain = Buffer(capacity: Compressor.bound(PackLayout.frameByteLimit))
    private let input = Buffer(capacity: PackLayout.frameByteLimit)
    private let zeros = Buffer(capacity: PackLayout.frameByteLimit)
    private var packedPieces: [Int: [UInt8]] = [:]
    private var counter: UInt64 = 0

    init(level: Int32, volume: FileVolume?, offsets: [UInt64]) {
        self.volume = volume
        self.offsets = offsets
        compressor = Compressor(level: level)
        zeros.storage.initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// Does one step with one piece; returns the bytes that came out.
    func run(_ step: Step, _ piece: Buffer, _ index: Int) throws(LifeboatError) -> UInt64 {
        let bytes = piece.bytes
        switch step {
        case .read:
            try read(index)
            return UInt64(bytes.count)
        case .zeroTest:
            // On zeros: with anything else the test ends at the first word.
            let room = UnsafeRawBufferPointer(zeros.storage)
            return chunks(UnsafeRawBufferPointer(rebasing: room[0..<bytes.count])).reduce(0) {
                $0 + (Bytes.isZero($1) ? 1 : 0)
            }
        case .hash:
            return chunks(bytes).reduce(0) { $0 ^ hasher.digest($1).word0 } & 1
        case .fingerprint:
            return chunks(bytes).reduce(0) { $0 ^ fingerprinter.tag($1).low } & 1
        case .compress:
            return UInt64(try compressor.compress(bytes, into: packed.storage))
        case .encrypt:
            return UInt64(seal(bytes))
        case .decode:
            let packedPiece: [UInt8]
            if let known = packedPieces[index] {
                packedPiece = known
            } else {
                let count = try compressor.compress(bytes, into: packed.storage)
                packedPiece = Array(slice(packed, count))
                packedPieces[index] = packedPiece
            }
            try packedPiece.withBytes { raw throws(LifeboatError) in
                try decompressor.decompress(raw, into: target(bytes.count))
            }
            return UInt64(bytes.count)
        case .together:
            if volume != nil { try read(index) }
            _ = try run(.zeroTest, piece, index)
            _ = try run(.hash, piece, index)
            let count = try compressor.compress(bytes, into: packed.storage)
            let sealedCount = seal(slice(packed, count))
            let opened = try open(sealedCount)
            try decompressor.decompress(slice(packed, opened), into: target(bytes.count))
            guard Bytes.equal(UnsafeRawBufferPointer(target(bytes.count)), bytes) else {
                throw LifeboatError(.internalFault, "what was decoded is not what was compressed")
            }
            return UInt64(sealedCount)
        }
    }

    private func chunks(_ bytes: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        stride(from: 0, to: bytes.count, by: 65536).map {
            UnsafeRawBufferPointer(rebasing: bytes[$0..<min(bytes.count, $0 + 65536)])
        }
    }

    private func read(_ index: Int) throws(LifeboatError) {
        guard let volume, index < offsets.count else { return }
        try volume.read(at: offsets[index], into: input.storage)
    }

    private func slice(_ buffer: Buffer, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer.storage)[0..<count])
    }

    private func target(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: plain.storage[0..<count])
    }

    private func seal(_ bytes: UnsafeRawBufferPointer) -> Int {
        counter += 1
        return cipher.seal(
            counter: counter, associatedData: UnsafeRawBufferPointer(start: nil, count: 0),
            plain: bytes, into: sealed.storage)
    }

    private func open(_ count: Int) throws(LifeboatError) -> Int {
        try cipher.open(
            counter: counter, associatedData: UnsafeRawBufferPointer(start: nil, count: 0),
            sealed: slice(sealed, count), into: packed.storage)
    }
}
