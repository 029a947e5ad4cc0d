#if FUZZING
    import LifeboatSystem

    /// What `FUZZ` names.
    private let target: FuzzTarget = {
        let name = Files.environment("FUZZ") ?? ""
        guard let target = FuzzTarget.named(name) else {
            preconditionFailure("FUZZ must be one of \(FuzzTarget.all.map(\.name))")
        }
        return target
    }()

    /// libFuzzer's entry point.
    @_cdecl("LLVMFuzzerTestOneInput")
    func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        target.run([UInt8](UnsafeBufferPointer(start: start, count: count)))
        return 0
    }
#endif
