import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatSystem

/// Chunks of frames that were decoded before the order of the volume came to them.
///
/// The frames of an increment hold chunks from all over a volume. A stream must be written in
/// order, so it would decode them anew for each window; instead, what comes later waits in an
/// unnamed file, sealed under a key that lives in memory only. Bounded in memory and on disk;
/// what does not fit is decoded again. Safe from many threads.
final class ChunkSpill: Sendable {
    private struct Place {
        var offset: UInt64
        var length: Int
        var counter: UInt64
    }

    private struct State {
        var places: [Digest: Place] = [:]
        var end: UInt64 = 0
        var counter: UInt64 = 0
        var isFull = false
    }

    /// 128 Ki places take 16 MiB of memory.
    private static let countLimit = 1 << 17

    private let file: File
    private let byteLimit: UInt64
    private let key = SecretBytes.random(count: 32)
    private let state = Guarded(State())

    /// `nil` where no file can be made: then frames are decoded as often as needed.
    ///
    /// `byteLimit`: bytes of disk.
    init?(_ directories: LocalDirectories, byteLimit: UInt64) {
        let path = directories.restores + "/" + Identifier.random().hex + ".tmp"
        guard let file = try? File(path: path, access: .createNew),
            (try? Files.remove(path)) != nil
        else { return nil }
        self.file = file
        self.byteLimit = byteLimit
    }

    /// Keeps a chunk that was checked against its id.
    func keep(_ id: Digest, _ bytes: UnsafeRawBufferPointer) {
        let sealedCount = bytes.count + FrameCipher.tagByteCount
        let place = state.withLock { state -> Place? in
            guard !state.isFull, state.places[id] == nil, state.places.count < Self.countLimit,
                state.end + UInt64(sealedCount) <= byteLimit
            else { return nil }
            defer {
                state.end += UInt64(sealedCount)
                state.counter += 1
            }
            return Place(offset: state.end, length: bytes.count, counter: state.counter)
        }
        guard let place else { return }
        let sealed = Buffer(capacity: sealedCount)
        sealed.count = FrameCipher(key: key).seal(
            counter: place.counter, associatedData: UnsafeRawBufferPointer(start: nil, count: 0),
            plain: bytes, into: sealed.storage)
        let isWritten = (try? file.write(at: place.offset, sealed.bytes)) != nil
        state.withLock { state in
            if isWritten { state.places[id] = place } else { state.isFull = true }
        }
    }

    /// Whether a chunk was kept.
    func holds(_ id: Digest) -> Bool { state.withLock { $0.places[id] != nil } }

    /// Gives back a chunk that was kept; false when it is not here.
    func read(_ id: Digest, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard let place = state.withLock({ $0.places[id] }), place.length == target.count else {
            return false
        }
        let sealed = Buffer(capacity: place.length + FrameCipher.tagByteCount)
        sealed.count = sealed.capacity
        let room = UnsafeMutableRawBufferPointer(rebasing: sealed.storage[0..<sealed.count])
        guard (try? file.read(at: place.offset, into: room)) == room.count else { return false }
        let opened = try? FrameCipher(key: key).open(
            counter: place.counter, associatedData: UnsafeRawBufferPointer(start: nil, count: 0),
            sealed: UnsafeRawBufferPointer(room), into: target)
        return opened == target.count
    }
}
