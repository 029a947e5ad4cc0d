import LifeboatCore
import LifeboatMachine
import Testing

@Suite struct ProtectionPoliciesTests {
    private static let example = """
        defaults:
          quiesce: require
          freeze-timeout: 15s
        machines:
          web:
            freeze-timeout: 500ms
            mount-points: [/, /srv]
            freeze-hooks: yes
            dead-man: false
            disks: {include: [vda], exclude: [vdb]}
            hooks:
              - {when: before-freeze, run: [/usr/bin/drain, "a b"], timeout: 2m, on-error: ignore}
              - {when: after-thaw, run: [/usr/bin/fill]}
            guest-commands:
              - {run: [/usr/bin/flush], timeout: 10, on-error: fail, quiesces-applications: true}
            foreign-checkpoints: refuse
            scratch-size: 10GiB
          plain:
        """

    @Test func `all settings are read`() throws {
        let policies = try ProtectionPolicies(yaml: Self.example, path: "machines.yaml")
        #expect(policies.machines == ["plain", "web"])
        let web = policies.policy(for: "web")
        #expect(web.quiesce == .require && web.freezeSeconds == 0.5)
        #expect(web.mountPoints == ["/", "/srv"] && web.hasFreezeHooks && !web.armsDeadMan)
        #expect(web.includedDisks == ["vda"] && web.excludedDisks == ["vdb"])
        #expect(web.hooks.count == 2 && web.hooks[0].arguments == ["/usr/bin/drain", "a b"])
        #expect(web.hooks[0].timeoutSeconds == 120 && web.hooks[0].onError == .ignore)
        #expect(web.hooks[1].moment == .afterThaw && web.hooks[1].onError == .fail)
        #expect(web.guestCommands.first?.quiescesApplications == true)
        #expect(web.guestCommands.first?.timeoutSeconds == 10)
        #expect(web.guestCommands.first?.onError == .fail)
        #expect(web.foreignCheckpoints == .refuse && web.scratchBytes == 10 << 30)
        for name in ["plain", "unnamed"] {
            #expect(policies.policy(for: name).quiesce == .require)
            #expect(policies.policy(for: name).freezeSeconds == 15)
        }
    }

    @Test(arguments: ["", "# nothing\n", "defaults: {}\n", "machines:\n"])
    func `a file that says nothing leaves what is usual`(text: String) throws {
        #expect(try ProtectionPolicies(yaml: text, path: "machines.yaml") == ProtectionPolicies())
    }

    @Test(arguments: [
        ("machine: {}\n", "line 1: the file has no setting machine"),
        ("machines:\n  web:\n    quiese: require\n", "line 3: a machine has no setting quiese"),
        ("defaults:\n  quiesce: maybe\n", "line 2: quiesce is one of"),
        ("defaults:\n  freeze-timeout: soon\n", "line 2: freeze-timeout is a time"),
        ("defaults:\n  freeze-timeout: -3s\n", "line 2: freeze-timeout is a time"),
        ("defaults:\n  scratch-size: 0\n", "line 2: scratch-size is a size"),
        ("defaults:\n  hooks: [{run: [a]}]\n", "line 2: a hook says when"),
        ("defaults:\n  hooks: [{when: before-freeze}]\n", "line 2: a hook says what"),
        ("defaults:\n  guest-commands:\n  - {shell: a}\n", "line 3: a guest command has no"),
        ("defaults:\n  disks: [vda]\n", "line 2: disks is written"),
        ("defaults:\n  mount-points: /srv\n", "line 2: mount-points is a list"),
        ("defaults:\n  dead-man: perhaps\n", "line 2: dead-man is yes or no"),
        ("defaults: [\n", "cannot be read"),
        ("defaults:\n  quiesce: crash\n  quiesce: pause\n", "cannot be read"),
    ]) func `what is wrong is told with its line`(text: String, message: String) {
        let error = #expect(throws: LifeboatError.self) {
            try ProtectionPolicies(yaml: text, path: "machines.yaml")
        }
        #expect(error?.code == .usage)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
}
