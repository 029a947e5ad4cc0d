import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatMachine

@Suite struct MachineFileNameTests {
    private static let names = [
        "web", "Web", "web.1", "web/1", "web%2F1", "web%2f1", "web 1", "web%201", "web\u{2}01",
        "web\n1", "bär", "bör", "ba\u{308}r", "b\u{FFFD}\u{FFFD}r", "網站", "網頁", "\u{AB}", "\nb", "",
        ".", "..", "web@a", "web~1", "frozen-web.json",
        String(repeating: "long", count: 60), String(repeating: "long", count: 60) + "er",
        String(repeating: "ä", count: 100), String(repeating: "ä", count: 99) + "ö",
    ]

    @Test func `no two names give one file`() {
        let files = Self.names.map { MachineFileName.encode($0) }
        #expect(Set(files).count == files.count)
        for file in files {
            #expect(file.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x2F })
            #expect(file.utf8.count <= 180)
        }
    }

    @Test func `a name that is kept whole is found again`() {
        for name in Self.names where name.utf8.count < 60 {
            #expect(
                MachineFileName.decode(MachineFileName.encode(name)).utf8.elementsEqual(name.utf8))
        }
        #expect(MachineFileName.encode("db-1.example_org") == "db-1.example_org")
    }

    @Test func `alarms of names that are alike do not take each other's place`() throws {
        let folder = try TemporaryDirectory()
        for name in Self.names {
            let alarm = GuardianAlarm(
                machine: name, address: GuestAgentAddress(), time: 1, message: "of \(name)")
            try alarm.write(in: folder.path)
        }
        #expect(GuardianAlarm.all(in: folder.path).count == Self.names.count)
        GuardianAlarm.remove(machine: "bär", in: folder.path)
        let left = GuardianAlarm.all(in: folder.path).map { Array($0.machine.utf8) }
        #expect(left.count == Self.names.count - 1 && left.contains(Array("bör".utf8)))
        #expect(left.contains(Array("ba\u{308}r".utf8)))
    }

    @Test func `a claim is told from that of another name or place`() {
        let paths = ["bär", "bör"].flatMap { name in
            ["qemu:///system/1", "qemu+ssh://other/system/1"].map {
                GuardianClaim.path(machine: name, place: $0, in: "/run")
            }
        }
        #expect(Set(paths).count == 4)
    }
}
