import LifeboatCore
import LifeboatProtocol
import Testing

@Suite struct IncarnationTests {
    @Test(arguments: [1, 2, 255, 256, 4_000_000_000] as [UInt64])
    func `a number gives an id and an id a number`(number: UInt64) {
        for _ in 0..<20 {
            let member = Identifier.random()
            let id = Incarnation.id(of: member, number: number)
            #expect(Incarnation.number(of: id, member: member) == number)
            #expect(id != member)
            #expect(Incarnation.number(of: id, member: .random()) == nil)
        }
    }
}
