#if !FUZZING
    import Glibc
    import LifeboatCore
    import LifeboatSystem

    /// Replays the corpus and then damaged samples of it; a crash names its seed.
    @main
    struct Replay {
        private static let usage = """
            usage: lifeboat-fuzz [--corpus DIR] [--iterations N] [--seed S]
                   lifeboat-fuzz --make-corpus DIR
                   lifeboat-fuzz --list
            Replays DIR/NAME/* (fixtures/corpus), then N inputs of the seeds S, S+1, ...
            FUZZ=NAME chooses one decoder; a crash prints the seed to run again.

            """

        private var corpus = "fixtures/corpus"
        private var iterations: UInt64 = 2000
        private var seed: UInt64 = 1

        static func main() {
            do throws(LifeboatError) {
                try run(Array(CommandLine.arguments.dropFirst()))
            } catch {
                print(error)
                exit(1)
            }
        }

        private static func run(_ arguments: [String]) throws(LifeboatError) {
            var replay = Replay()
            var rest = arguments[...]
            while let option = rest.popFirst() {
                if option == "--list" {
                    for target in FuzzTarget.all { print(target.name) }
                    return
                }
                guard let value = rest.popFirst() else {
                    throw LifeboatError(.usage, usage)
                }
                switch option {
                case "--make-corpus": return try makeCorpus(value)
                case "--corpus": replay.corpus = value
                case "--iterations": replay.iterations = try number(value)
                case "--seed": replay.seed = try number(value)
                default: throw LifeboatError(.usage, usage)
                }
            }
            CrashNote.install()
            let chosen = Files.environment("FUZZ")
            if let chosen, FuzzTarget.named(chosen) == nil {
                throw LifeboatError(.usage, "no decoder is called \(chosen)")
            }
            for target in FuzzTarget.all where chosen == nil || chosen == target.name {
                try replay.run(target)
            }
        }

        private static func number(_ text: String) throws(LifeboatError) -> UInt64 {
            guard let value = UInt64(text) else { throw LifeboatError(.usage, usage) }
            return value
        }

        private func run(_ target: FuzzTarget) throws(LifeboatError) {
            let folder = corpus + "/" + target.name
            var samples: [[UInt8]] = []
            for name in try Files.list(folder).sorted() {
                CrashNote.set("file \(name) of \(target.name)")
                let bytes = try Files.readWhole(folder + "/" + name, limit: 1 << 24)
                target.run(bytes)
                samples.append(bytes)
            }
            let seeds = seed..<seed + iterations
            for seed in seeds {
                CrashNote.set("\(target.name), seed \(seed)")
                var mutator = Mutator(samples, seed: seed)
                target.run(mutator.input())
            }
            print("\(target.name): \(samples.count) files, seeds \(seeds), no crash")
        }

        private static func makeCorpus(_ folder: String) throws(LifeboatError) {
            for target in FuzzTarget.all {
                let path = folder + "/" + target.name
                try Files.makeDirectories(path)
                for (number, bytes) in Corpus.samples(target.name).enumerated() {
                    try Files.writeAtomically(path + "/sample-\(number)", bytes, mode: 0o644)
                }
            }
        }
    }

    /// Tells the seed at hand when a decoder crashes; prepared, because a signal's handler may do little.
    private enum CrashNote {
        private static let limit = 256
        nonisolated(unsafe) private static let note = UnsafeMutablePointer<UInt8>.allocate(
            capacity: limit)
        nonisolated(unsafe) private static var count = 0

        static func set(_ place: String) {
            let bytes = Array("crashed at \(place)\n".utf8.prefix(limit))
            for (index, byte) in bytes.enumerated() { note[index] = byte }
            count = bytes.count
        }

        static func install() {
            set("the beginning")
            for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT] {
                signal(number) { number in
                    write(2, CrashNote.note, CrashNote.count)
                    signal(number, SIG_DFL)
                    raise(number)
                }
            }
        }
    }
#endif
