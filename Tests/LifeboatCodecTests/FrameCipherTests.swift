import Crypto
import FoundationEssentials
import LifeboatCodec
import LifeboatCore
import Testing

@Suite struct FrameCipherTests {
    private let key = noise(32, seed: 7)
    private var cipher: FrameCipher { FrameCipher(key: SecretBytes(key)) }

    /// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 and 14.
    @Test func `seals as the submission to NIST has it`() throws {
        let cipher = FrameCipher(key: SecretBytes([UInt8](repeating: 0, count: 32)))
        let empty = cipher.seal(counter: 0, associatedData: [], plain: [])
        #expect(try empty == hex("530f8afbc74536b9a963b4f1c4cb738b"))
        let block = cipher.seal(
            counter: 0, associatedData: [], plain: [UInt8](repeating: 0, count: 16))
        #expect(
            try block == hex("cea7403d4d606b6e074ec5d3baf39d18 d0d1c8a799996bf0265b98b5d48ab919"))
    }

    @Test(arguments: [0, 1, 15, 16, 17, 1000, 65536])
    func `agrees with another implementation`(count: Int) throws {
        let counter: UInt64 = 0x0123_4567_89ab_cdef
        let nonce = try AES.GCM.Nonce(data: hex("00000000 efcdab8967452301"))
        let plain = noise(count)
        let associated = noise(count % 50, seed: 3)
        let sealed = cipher.seal(counter: counter, associatedData: associated, plain: plain)
        let theirs = try AES.GCM.seal(
            plain, using: SymmetricKey(data: key), nonce: nonce, authenticating: associated)
        #expect(sealed == Array(theirs.ciphertext + theirs.tag))
        #expect(
            try cipher.open(counter: counter, associatedData: associated, sealed: sealed) == plain)
    }

    @Test func `seals and opens in place, again and again`() throws {
        let cipher = cipher
        let plain = noise(5000)
        var bytes = plain + [UInt8](repeating: 0, count: FrameCipher.tagByteCount)
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        for counter in UInt64(0)..<4 {
            try bytes.withUnsafeMutableBytes { bytes in
                let room = UnsafeRawBufferPointer(bytes)
                let written = cipher.seal(
                    counter: counter, associatedData: none,
                    plain: UnsafeRawBufferPointer(rebasing: room.prefix(plain.count)), into: bytes)
                #expect(written == plain.count + 16)
                #expect(Array(bytes.prefix(plain.count)) != plain)
                let opened = try cipher.open(
                    counter: counter, associatedData: none, sealed: room, into: bytes)
                #expect(opened == plain.count)
            }
            #expect(Array(bytes.prefix(plain.count)) == plain)
        }
    }

    @Test func `refuses any change`() throws {
        func refuses(
            _ cipher: FrameCipher, _ counter: UInt64, _ associated: [UInt8], _ sealed: [UInt8]
        ) {
            expect(.damaged) {
                _ = try cipher.open(counter: counter, associatedData: associated, sealed: sealed)
            }
        }
        let cipher = cipher
        let sealed = cipher.seal(counter: 5, associatedData: [1, 2], plain: noise(40))
        for index in sealed.indices {
            var bad = sealed
            bad[index] ^= 0x10
            refuses(cipher, 5, [1, 2], bad)
        }
        for count in sealed.indices {
            let bad = Array(sealed.prefix(count))
            refuses(cipher, 5, [1, 2], bad)
        }
        refuses(cipher, 6, [1, 2], sealed)
        refuses(cipher, 5, [1], sealed)
        let other = FrameCipher(key: SecretBytes(noise(32, seed: 8)))
        refuses(other, 5, [1, 2], sealed)
        #expect(try cipher.open(counter: 5, associatedData: [1, 2], sealed: sealed) == noise(40))
    }

    @Test func `leaves no plain bytes of a frame that does not fit`() {
        let cipher = cipher
        var bytes = cipher.seal(counter: 1, associatedData: [], plain: noise(64))
        bytes[0] ^= 1
        bytes.withUnsafeMutableBytes { bytes in
            let none = UnsafeRawBufferPointer(start: nil, count: 0)
            expect(.damaged) {
                _ = try cipher.open(
                    counter: 1, associatedData: none, sealed: UnsafeRawBufferPointer(bytes),
                    into: bytes)
            }
            #expect(bytes.prefix(64).allSatisfy { $0 == 0 })
        }
    }
}

@Suite struct FingerprinterTests {
    @Test(arguments: [0, 1, 16, 17, 4096, 65536])
    func `is GMAC as another implementation has it`(count: Int) throws {
        let key = noise(32, seed: 9)
        let bytes = noise(count)
        let fingerprinter = Fingerprinter(key: SecretBytes(key))
        let theirs = try AES.GCM.seal(
            [UInt8](), using: SymmetricKey(data: key),
            nonce: AES.GCM.Nonce(data: [UInt8](repeating: 0, count: 12)), authenticating: bytes)
        for _ in 0..<3 {
            let tag = bytes.withUnsafeBytes { fingerprinter.tag($0) }
            let ours = withUnsafeBytes(of: (tag.low.littleEndian, tag.high.littleEndian)) {
                Array($0)
            }
            #expect(ours == Array(theirs.tag))
        }
    }
}
