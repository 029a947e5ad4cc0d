import LifeboatCodec
import Testing

@Suite struct BytesTests {
    @Test(arguments: [0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 191, 300])
    func `finds a byte that is not zero wherever it is`(count: Int) {
        for shift in 0..<9 {
            var room = [UInt8](repeating: 0xFF, count: count + shift + 1)
            room.withUnsafeMutableBytes { room in
                let bytes = UnsafeMutableRawBufferPointer(rebasing: room[shift..<shift + count])
                for index in bytes.indices { bytes[index] = 0 }
                #expect(Bytes.isZero(UnsafeRawBufferPointer(bytes)))
                for index in bytes.indices {
                    bytes[index] = 0x80
                    #expect(!Bytes.isZero(UnsafeRawBufferPointer(bytes)))
                    bytes[index] = 0
                }
                for index in bytes.indices { bytes[index] = 1 }
                #expect(count == 0 || !Bytes.isZero(UnsafeRawBufferPointer(bytes)))
            }
        }
    }

    @Test func `tells equal bytes from different ones`() {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        #expect(Bytes.equal(none, none))
        let left = noise(100)
        var right = left
        #expect(equal(left, right))
        right[99] ^= 1
        #expect(!equal(left, right))
        #expect(!equal(left, Array(left.dropLast())))
    }

    private func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.withUnsafeBytes { left in right.withUnsafeBytes { Bytes.equal(left, $0) } }
    }
}
