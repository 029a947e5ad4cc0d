import Glibc
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatMachine

@Suite struct QEMUAccessTests {
    private let stranger = DomainXML.Owner(user: 64999, group: 64999)

    @Test func `a folder that lets nobody pass is named`() throws {
        var template = Array(
            ("/tmp/lifeboat-access-" + String(repeating: "X", count: 6)).utf8CString)
        let made = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? Files.removeTree(made) }
        let inner = made + "/a/b"
        try Files.makeDirectories(inner, mode: 0o755)
        chmod(made, 0o711)
        #expect(QEMUAccess.closedFolder(above: inner + "/c", to: stranger) == nil)
        chmod(inner, 0o700)
        #expect(QEMUAccess.closedFolder(above: inner + "/c", to: stranger) == inner)
        chmod(made, 0o700)
        #expect(QEMUAccess.closedFolder(above: inner + "/c", to: stranger) == made)
        #expect(throws: LifeboatError(.refused, "", subject: made)) {
            try QEMUAccess.makeFolder(inner + "/c", stranger)
        }
        try QEMUAccess.makeFolder(inner + "/d", .init(user: 0, group: 0))
        #expect(Files.isDirectory(inner + "/d"))
    }
}
