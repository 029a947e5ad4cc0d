import LifeboatCodec
import Testing

@Suite struct SecretBytesTests {
    private struct Holder {
        let secret: SecretBytes
        let name = "holder"
    }

    @Test(arguments: [0, 1, 32, 4096, 4097])
    func `gives back what it took`(count: Int) {
        let bytes = noise(count)
        let secret = SecretBytes(bytes)
        #expect(secret.count == count)
        #expect(secret.withBytes { Array($0) } == bytes)
        #expect(bytes.withUnsafeBytes { SecretBytes(copying: $0) } == secret)
    }

    @Test func `compares by content`() {
        let secret = SecretBytes([1, 2, 3])
        #expect(secret.equals(SecretBytes([1, 2, 3])))
        #expect(!secret.equals(SecretBytes([1, 2, 4])))
        #expect(!secret.equals(SecretBytes([1, 2])))
        #expect(secret != SecretBytes([]))
        #expect(SecretBytes([]) == SecretBytes([]))
    }

    @Test func `is random when asked`() {
        #expect(SecretBytes.random(count: 32) != SecretBytes.random(count: 32))
        #expect(randomBytes(32) != randomBytes(32))
        #expect(randomBytes(0) == [])
    }

    @Test func `never shows itself`() {
        let secret = SecretBytes(Array("hunter2 hunter2!".utf8))
        let holder = Holder(secret: secret)
        var dumped = ""
        dump(secret, to: &dumped)
        dump(holder, to: &dumped)
        let texts = [
            String(describing: secret), String(reflecting: secret), "\(secret)", "\([secret])",
            String(describing: holder), String(reflecting: holder), dumped,
        ]
        for text in texts {
            #expect(text.contains("<secret>"))
            for clue in ["hunter2", "104", "0x", "16", "memory"] { #expect(!text.contains(clue)) }
        }
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }
}
