import LifeboatCore
import LifeboatFormat
import Testing

@testable import Lifeboat

@Suite struct RecoverySourceTests {
    @Test(
        arguments: [
            (["vda", "vdb"], "vdb", "vdb"), (["web.vda", "web.vdb"], "vda", "web.vda"),
            (["db.vda"], "vda", nil), ([], "vda", nil), (["vdaa"], "vda", nil),
        ] as [([String], String, String?)]) func `a disk's volume is found by its name`(
            volumes: [String], disk: String, found: String?
        )
    {
        let record = PointMachine(
            name: "web", volumes: volumes, definition: nil, consistency: .crash, policy: "crash",
            platform: "libvirt")
        #expect(RecoverySource.volume(of: disk, record) == found)
    }
}
