import LifeboatCore
import LifeboatFormat
import Testing

/// The examples of the pages under formats/, as they stand there.
@Suite struct PageExampleTests {
    @Test func `objects.md: roster`() throws {
        let bytes = try hex(
            """
            4c42524f 0100 0000 3a000000
            a4 01 50 000102030405060708090a0b0c0d0e0f 02 01
            03 5820 0000000000000000000000000000000000000000000000000000000000000000 04 80
            4c278c8b9bb9b9fcb0f4df8c39537103f6fa968932ce5d302cd79cf5d65fdc3c
            877491f31f1244bed1d0447dc9e3c0233e9d5442e9558653a814ee2cc9fd2e06
            """)
        #expect(bytes.count == 134)
        let envelope = try Envelope(.roster, decoding: bytes, isSigned: true, subject: "roster")
        let roster = try Roster(payload: envelope.payload)
        #expect(roster.repository.hex == "000102030405060708090a0b0c0d0e0f")
        #expect(roster.number == 1)
        #expect(roster.previous == .zero)
        #expect(roster.members.isEmpty)
        #expect(Envelope.unsigned(.roster, roster.payload) == envelope.signedBytes)
    }

    @Test func `objects.md: check record`() throws {
        let bytes = try hex(
            """
            4c42434b 0100 0000 38000000
            a7 01 50 000102030405060708090a0b0c0d0e0f 02 50 000102030405060708090a0b0c0d0e0f
            03 1b0000019b76daa800 04 02 05 1864 06 00 07 80
            871d2ea7f583f0ce5f3a47a5e6de006d5f30f64605ae59e0bb1f93e297696283
            5b992e8d0513009a268299c1a3d59504ee2a7b61540607cd8f71e9a314858a02
            """)
        let envelope = try Envelope(.checkRecord, decoding: bytes, isSigned: true, subject: "x")
        let record = try CheckRecord(payload: envelope.payload, subject: "x")
        #expect(record.signer == record.repository)
        #expect(record.depth == .keyless)
        #expect(record.percent == 100)
        #expect(record.time == 1_767_225_600_000)
        #expect(Envelope.unsigned(.checkRecord, record.payload) == envelope.signedBytes)
    }

    private func entry(_ bytes: [UInt8]) throws -> LogEntry {
        let envelope = try Envelope(.logEntry, decoding: bytes, isSigned: true, subject: "x")
        let entry = try LogEntry(payload: envelope.payload, subject: "x")
        #expect(Envelope.unsigned(.logEntry, entry.payload) == envelope.signedBytes)
        return entry
    }

    @Test func `log.md: a writer's entry`() throws {
        let bytes = try hex(
            """
            4c424c47 0100 0000 4b010000
            ac 01 50 000102030405060708090a0b0c0d0e0f 02 50 02020202020202020202020202020202
            03 50 02020202020202020202020202020203 04 02
            05 5820 0505050505050505050505050505050505050505050505050505050505050505
            06 50 06060606060606060606060606060606 07 1b0000019b76daa800
            08 81 83 50 0909090909090909090909090909090a 02
            5820 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
            0a 81 50 07070707070707070707070707070707
            0b 5820 0808080808080808080808080808080808080808080808080808080808080808
            0c 5840 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b
            0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c
            0d 5820 0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d
            f2797ab69dc050999c3cecd3b5bf64cb5c5f1f892eb0b297159c26cfe5cc0c6c
            d50c8215d671dc85207d25184b5ed7657c902dbb93e50f798958edc2ba26b208
            """)
        #expect(bytes.count == 407)
        let entry = try entry(bytes)
        #expect(entry.sequence == 2)
        #expect(entry.member == Samples.identifier(2))
        #expect(entry.incarnation.hex == "02020202020202020202020202020203")
        #expect(entry.closed == [Samples.identifier(7)])
        #expect(entry.body == Samples.digest(8))
        #expect(entry.packs == [Samples.digest(11), Samples.digest(12)])
        #expect(entry.runs == [Samples.digest(13)])
        #expect(entry.heads.map(\.digest) == [Samples.head.digest])
    }

    @Test func `log.md: a keeper's entry`() throws {
        let bytes = try hex(
            """
            4c424c47 0100 0000 17010000
            aa 01 50 000102030405060708090a0b0c0d0e0f 02 50 09090909090909090909090909090909
            03 50 0909090909090909090909090909090a 04 03
            05 5820 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
            06 50 06060606060606060606060606060606 07 1b0000019b76daa800
            08 81 83 50 02020202020202020202020202020203 02
            5820 0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e
            10 5842 010b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b
            030808080808080808080808080808080808080808080808080808080808080808
            13 5820 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
            213790ea693530f14a70508d2af9e8886d2e3dbc80fafaf2a3b7e030e6f83e72
            3dad7e97a6e64ba36bd90cb1cc85852e8280a221e4dc5a6d6b2674d733a05105
            """)
        #expect(bytes.count == 355)
        let entry = try entry(bytes)
        #expect(entry.condemned.map(\.kind) == [.pack, .pointBody])
        #expect(entry.condemned.map(\.digest) == [Samples.digest(11), Samples.digest(8)])
        #expect(entry.forgotten == [Samples.digest(15)])
        #expect(entry.needsKeeper)
    }

    @Test func `checkpoint.md: checkpoint`() throws {
        let bytes = try hex(
            """
            4c424350 0100 0000 49020000
            ac 01 50 000102030405060708090a0b0c0d0e0f 02 50 09090909090909090909090909090909 03 01
            04 1b0000019b76daa800 05 82 a7 01 50 02020202020202020202020202020202
            02 83 50 02020202020202020202020202020203 02
            5820 47b04bdcca0e7b25b24ec925f64f878ecce879ccbf52d6502a2cbc7a7192aee5
            03 1b0000019b76daa800 04 81 82 50 0909090909090909090909090909090a 02 05 80 06 80
            07 f4 a7 01 50 09090909090909090909090909090909
            02 83 50 0909090909090909090909090909090a 02
            5820 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
            03 1b0000019b76daa800 04 80 05 80 06 80 07 f4 06 81 a9
            01 5820 47b04bdcca0e7b25b24ec925f64f878ecce879ccbf52d6502a2cbc7a7192aee5
            02 50 02020202020202020202020202020203 03 02 04 50 02020202020202020202020202020202
            05 50 06060606060606060606060606060606
            06 5820 0808080808080808080808080808080808080808080808080808080808080808
            07 1b0000019b76daa800 08 00 09 1b0000019b76daa800
            07 81 83 50 02020202020202020202020202020202 50 06060606060606060606060606060606
            5840 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b
            0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c
            08 81 83 50 02020202020202020202020202020202 50 06060606060606060606060606060606
            5820 0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d 09 80 0a 40
            0b 80 0c 40
            68546f7ebfa7fafdb4613f187116a785d7f578bd6c95cc85c9cb96f23d7cfa58
            be3d1baa8719f74261b62a9393b0ce9dbb470a0f6d7b72e0d16a90768b71a40d
            """)
        #expect(bytes.count == 661)
        let envelope = try Envelope(.checkpoint, decoding: bytes, isSigned: true, subject: "x")
        let checkpoint = try Checkpoint(payload: envelope.payload, subject: "x")
        #expect(Envelope.unsigned(.checkpoint, checkpoint.payload) == envelope.signedBytes)
        #expect(checkpoint.ordinal == 1)
        #expect(checkpoint.member == Samples.identifier(9))
        #expect(checkpoint.logs.map(\.head.sequence) == [2, 2])
        #expect(checkpoint.points.map(\.id) == [checkpoint.logs[0].head.digest])
        #expect(checkpoint.packs.map(\.digests) == [[Samples.digest(11), Samples.digest(12)]])
        #expect(checkpoint.runs.map(\.digests) == [[Samples.digest(13)]])
    }

    @Test func `keys.md: associated data of a key slot`() throws {
        let repository = try #require(Identifier(hex: "000102030405060708090a0b0c0d0e0f"))
        let slot = KeySlot(
            id: repository, wrapping: .keyFile, salt: [UInt8](repeating: 4, count: 32),
            created: 1_767_225_600_000, sealedKeys: [0xAA], sealedLabel: [0xBB])
        let expected = try hex(
            """
            4c424b5301000000 a4 01 50 000102030405060708090a0b0c0d0e0f 02 02
            04 5820 0404040404040404040404040404040404040404040404040404040404040404
            05 1b0000019b76daa800
            """)
        #expect(slot.associatedData == expected)
        guard case .map(let fields) = slot.payload else { return }
        #expect(fields[8] == .unsigned(0xC84C_AA58))
    }

    @Test func `point.md: payload`() throws {
        let bytes = try hex(
            """
            a9 01 6477656231 02 65686f737431 03 1b0000019b76daa800 04 1b0000019b76daabe8
            05 656372617368
            06 5820 0000000000000000000000000000000000000000000000000000000000000000
            07 81 82 63656e76 6474657374
            08 81 ac 01 64726f6f74 02 194003
            03 5820 3333333333333333333333333333333333333333333333333333333333333333
            04 01 05 656372617368 06 6466756c6c 07 194003 08 194003 09 191092 0a 00 0b 00 0c 80
            09 6c6c696665626f617420302e31
            """)
        #expect(bytes.count == 183)
        #expect(SizeClass.padded(8 + 32 + 4 + bytes.count + 16) == 1024)
        let body = try PointBody(payload: try CBOR.decode(bytes), subject: "x")
        #expect(body.machine == "web1")
        #expect(body.tags == ["env": "test"])
        #expect(body.volumes.first?.size == 16387)
        #expect(body.volumes.first?.bytesStored == 4242)
        #expect(body.payload.encoded() == bytes)
    }

    @Test func `pack.md: header and directory`() throws {
        let repository = Samples.identifier(1)
        let header = PackLayout.header(
            .data, keyCount: 1, repository: repository, domain: Samples.identifier(2),
            salt: [UInt8](repeating: 3, count: 32))
        #expect(Array(header.prefix(8)) == (try hex("4c42504b 0100 01 01")))
        #expect(header.count == 72)
        let parsed = try PackHeader(decoding: header, subject: "x")
        #expect(parsed.framesOffset == 1240)
        #expect(parsed.repository == repository)
        let bytes = try hex(
            """
            01000000 02000000
            d8040000 13400000 03400000 0200 00 00 0700000000000000
            1111111111111111111111111111111111111111111111111111111111111111 00400000
            2222222222222222222222222222222222222222222222222222222222222222 03000000
            """)
        let directory = try PackDirectory(
            decoding: bytes, framesOffset: 1240, framesEnd: 1240 + 16403, keyCount: 1,
            subject: "x")
        #expect(directory.frames.first?.counter == 7)
        #expect(directory.slots.map(\.length) == [16384, 3])
        #expect(directory.encoded(paddedTo: 104) == bytes)
    }

    @Test func `block-map.md: node`() throws {
        var node = BlockMapNode.empty(level: 0)
        node.children[1] = Samples.digest(0x11)
        let expected = try hex("00 02 \(Digest.zero) \(Samples.digest(0x11))")
        #expect(node.encoded() == expected)
    }

    @Test func `index.md: table`() throws {
        let bytes = try hex(
            """
            0100000000000000 01000000 00 00 3f 00 1111111111111111 0000000000000000
            aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
            0100000000000000
            1111111111111111111111111111111111111111111111111111111111111111 00000000 0000 0100
            """)
        let shape = try IndexTableShape(decoding: bytes, available: 112, subject: "x")
        #expect(shape.encoded == Array(bytes.prefix(32)))
        #expect(shape.fanOutOffset == 64)
        #expect(shape.entriesOffset == 72)
        #expect(shape.byteCount == 112)
        #expect(shape.bucket(of: Samples.digest(0x11)) == 0)
        #expect(shape.bucket(of: Samples.digest(0x10)) == nil)
    }

    @Test func `changed-extents.md: file`() throws {
        let text = """
            lifeboat-changed-extents 0
            base 47b04bdcca0e7b25b24ec925f64f878ecce879ccbf52d6502a2cbc7a7192aee5
            volume root
            size 1000000
            granularity 65536
            extents 3
            0 65536
            131072 131072
            983040 16960
            end

            """
        let extents = try ChangedExtentsText(parsing: text, subject: "x")
        #expect(extents.size == 1_000_000)
        #expect(extents.extents.count == 3)
        #expect(extents.text == text)
    }

    @Test func `keys.md: recovery key`() throws {
        let text = """
            lifeboat recovery key 0
            1 0001 0203 0405 0607 0809 0a0b 0c0d 0e0f 96d1
            2 1011 1213 1415 1617 1819 1a1b 1c1d 1e1f c362
            3 2021 2223 2425 2627 2829 2a2b 2c2d 2e2f 3db7
            4 3031 3233 3435 3637 3839 3a3b 3c3d 3e3f 6804
            5 4041 4243 4445 4647 4849 4a4b 4c4d 4e4f d03c

            """
        #expect(try RecoveryKeyText.parse(text) == Samples.recoveryKey)
        #expect(RecoveryKeyText.file(Samples.recoveryKey) == text)
    }

    @Test func `keys.md: parts of a recovery key`() throws {
        let first = """
            lifeboat recovery key part 1
            set 5f3a part 1 of 3 needed 2 bc40
            1 0001 0203 0405 0607 0809 0a0b 0c0d 0e0f 97ee
            2 9bf9 ff04 0302 0100 b6b7 b4b5 0b0a 0908 b0a6
            3 c7c6 c5c4 c1c0 c3c2 7475 7677 c9c8 cbca 86da
            4 f7f6 f5f4 2322 2120 9697 9495 2b2a 2928 fe53
            5 e7e6 e5e4 3b3a 3938 8e8f 8c8d 3332 3130 d7a9
            6 f2f3 f0f1 2627 2425 9392 9190 2e2f 2c2d 9f9c

            """
        let third = """
            lifeboat recovery key part 3
            set 5f3a part 3 of 3 needed 2 5128
            1 0001 0203 0405 0607 0809 0a0b 0c0d 0e0f fc88
            2 ba53 8dac abaa a9a8 0e0f 0c0d a3a2 a1a0 be97
            3 5f5e 5d5c 2928 2b2a 8c8d 8e8f 2120 2322 d732
            4 6f6e 6d6c 8b8a 8988 2e2f 2c2d 8382 8180 7d90
            5 7f7e 7d7c 4849 4a4b edec efee 4041 4243 c07a
            6 7170 7372 9594 9796 3031 3233 9d9c 9f9e cc4f

            """
        for (number, text) in [(1, first), (3, third)] {
            let part = try RecoveryKeyPart(parsing: text)
            #expect(part.number == number && part.needed == 2 && part.total == 3)
            #expect(part.set == 0x5f3a && part.setText == "5f3a")
            #expect(part.repository.bytes == Array(Samples.recoveryKey[..<16]))
            #expect(part.file == text)
        }
        let code =
            "LIFEBOAT-RECOVERY-PART-0:5F3A010203000102030405060708090A0B0C0D0E0F9BF9FF0403020100B6B7B4B50B0A0908C7C6C5"
            + "C4C1C0C3C274757677C9C8CBCAF7F6F5F423222120969794952B2A2928E7E6E5E43B3A39388E8F8C8D33"
            + "323130F2F3F0F126272425939291902E2F2C2DF67E"
        #expect(try RecoveryKeyPart(parsing: first).code == code)
        #expect(try RecoveryKeyPart(parsing: code).file == first)
    }
}
