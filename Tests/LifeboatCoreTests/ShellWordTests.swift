import LifeboatCore
import Testing

@Suite struct ShellWordTests {
    @Test(arguments: [
        ("web", "web"), ("libvirt:web-1", "libvirt:web-1"), ("/srv/a_b.img", "/srv/a_b.img"),
        ("", "''"), ("web server", "'web server'"), ("Köln", "'Köln'"), ("it's", "'it'\\''s'"),
        ("$(x);", "'$(x);'"), ("~web", "'~web'"), ("a?", "'a?'"),
    ])
    func `a word has quotes where a shell needs them`(word: String, quoted: String) {
        #expect(ShellWord.quoted(word) == quoted)
    }
}
