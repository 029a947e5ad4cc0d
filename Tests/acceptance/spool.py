"""Backups while the store cannot be reached, and what is sent of them later."""
import collections
import signal

from object_stores import *

SERVER = run_servers(Rclone())[0]
# Waiting for a server that is not there is what takes the time.
PATIENCE = {"LIFEBOAT_CONNECT_TIMEOUT": "1", "LIFEBOAT_RETRIES": "2"}


class PutRecorder:
    """Counts the puts that pass a proxy, by the end of their names."""

    def __init__(self):
        self.counts = collections.Counter()

    def choose(self, line, length, source):
        method, path = line.split(" ")[:2]
        if method == "PUT":
            self.counts["/".join(path.split("?")[0].split("/")[3:])] += 1
        return None

    def packs(self):
        return {name: count for name, count in self.counts.items() if name.startswith("packs/")}


class SpoolLab(StoreLab):
    """A host with a spool, whose store is behind a proxy."""

    def __init__(self, when="suspended", size="200MiB", counts="no", link=True):
        self.proxy = FaultProxy(SERVER.port).start()
        self.puts = PutRecorder()
        self.proxy.decisions.deciders.append(self.puts)
        super().__init__(s3_place(SERVER, self.proxy.url), init=False, variables=PATIENCE)
        self.cleanups.append(self.proxy.stop)
        self.spool = self.path("spool")
        if link:
            self.variables["LIFEBOAT_LINKS"] = self.write("links.yaml", f"""links:
  office:
    carries: "127.0.0.1:{self.proxy.port}"
    spool: {{directory: {self.spool}, size: {size}, when: {when}, counts: {counts}}}
""".encode())
        self.init().expect(0)
        self.image = make_image(self.path("disk"), 6 * MIB, 1)
        self.changes = 0
        # What each point holds, by its id, and the ids that points got when they were sent.
        self.contents = {}

    def link(self, command):
        return self.run(command, "office", needs_repository=False).expect(0)

    def change(self):
        self.changes += 1
        change_image(self.image, self.changes)

    def back_up(self, place, *options):
        result = self.backup(f"disk={self.image}", options=options).expect(0)
        equal(result.json["place"], place, "where the point is")
        self.contents[result.json["point"]] = digest(self.image)
        return result.json["point"]

    def waiting(self, *options):
        return self.run("spool", "list", *options).expect(0).json["points"]

    def send(self, *options):
        result = self.run("spool", "send", *options, *self.secret).expect(0)
        return self.note_sent(result.json["sent"])

    def note_sent(self, sent):
        for entry in sent:
            self.contents[entry["point"]] = self.contents.pop(entry["local"])
        return [entry["point"] for entry in sent]

    def adopt_ids(self):
        """Finds the new ids of points that a backup has sent, by what the points hold."""
        by_content = {content: point for point, content in self.contents.items()}
        equal(len(by_content), len(self.contents), "different contents")
        listed = self.points()
        self.contents = {}
        for point in listed:
            found, _ = self.restored_digest(point["id"])
            check(found in by_content, f"point {point['id'][:12]} holds what no backup read")
            self.contents[point["id"]] = found
        equal(len(self.contents), len(by_content), "points")

    def expect_no_pack_twice(self):
        equal({name for name, count in self.puts.packs().items() if count > 1}, set(),
              "packs that were put twice")


@test
def a_suspended_link():
    lab = SpoolLab()
    with ProcessWatch(lab.place.secrets()) as watch:
        base = lab.back_up("remote")
        lab.link("suspend")
        requests = lab.proxy.counts["requests"]
        local = []
        for _ in range(2):
            lab.change()
            local.append(lab.back_up("local"))
        listed = lab.run("points", *lab.secret).expect(0)
        equal([(point["id"], point["place"], point["counts"]) for point in listed.json["points"]],
              [(base, "remote", True)] + [(point, "local", False) for point in local], "points")
        equal([point["parent"] for point in listed.json["points"]], [None, base, local[0]], "parents")
        check(b"suspended" in listed.err, f"nothing says why: {listed.err!r}")
        equal([point["id"] for point in lab.waiting()], local, "what waits")
        equal(lab.proxy.counts["requests"], requests, "requests while the link was suspended")
        equal(lab.run("stats", *lab.secret).code, 15, "exit code of another command")
        equal(lab.run("spool", "send", *lab.secret).code, 15, "exit code of sending")
        times = [point["time"] for point in listed.json["points"]]
        equal(lab.link("resume").json["spooled_points"], 2, "what resume says")
        places = [(point["id"], point["place"]) for point in lab.points()]
        equal(places, [(base, "remote")] + [(point, "local") for point in local], "still waiting")
        sent = lab.send()
        listed = lab.points()
        equal([(point["id"], point["place"]) for point in listed],
              [(point, "remote") for point in [base, *sent]], "points after sending")
        equal([point["parent"] for point in listed], [None, base, sent[0]], "parents after sending")
        equal([point["time"] for point in listed], times, "times after sending")
        equal(lab.waiting(), [], "what waits after sending")
        lab.clean_caches()
        lab.expect_restores(lab.contents)
        lab.verify_data().expect(0)
        lab.expect_no_pack_twice()
        lab.change()
        newest = lab.back_up("remote")
        equal(lab.points()[-1]["parent"], sent[1], f"the parent of {newest[:12]}")
    equal(watch.found, [], "command lines with a secret")
    lab.check_secrecy()


@test
def a_store_that_does_not_answer():
    lab = SpoolLab(when="unreachable", counts="yes")
    base = lab.back_up("remote")
    lab.proxy.close_port()
    lab.change()
    local = lab.back_up("local")
    listed = lab.points()
    equal([(point["id"], point["place"], point["counts"]) for point in listed],
          [(base, "remote", True), (local, "local", True)], "points")
    equal(lab.run("spool", "send", *lab.secret).code, 11, "exit code of sending")
    lab.proxy.open_port()
    # The next backup sends what waits, and builds on it.
    lab.change()
    lab.back_up("remote")
    lab.adopt_ids()
    listed = lab.points()
    equal([point["place"] for point in listed], ["remote"] * 3, "places")
    equal([point["parent"] for point in listed], [None, listed[0]["id"], listed[1]["id"]], "parents")
    equal(lab.waiting(), [], "what waits")
    lab.expect_no_pack_twice()
    lab.verify_data().expect(0)


@test
def only_when_it_was_asked_for():
    """The policy, a spool that no backup prepared, and a spool of another repository."""
    lab = SpoolLab()
    lab.link("suspend")
    result = lab.backup(f"disk={lab.image}")
    equal(result.code, 15, "exit code without preparation")
    check("prepared" in result.error["advice"], f"advice: {result.error}")
    lab.link("resume")
    lab.back_up("remote")
    lab.proxy.close_port()
    equal(lab.backup(f"disk={lab.image}").code, 11, "exit code of a store that does not answer")
    lab.proxy.open_port()
    stranger = SpoolLab()
    with open(lab.path("links.yaml")) as file:
        text = file.read().replace(str(lab.proxy.port), str(stranger.proxy.port))
    stranger.write("links.yaml", text.encode())
    result = stranger.backup(f"disk={stranger.image}").expect(0)
    check(any("spool" in warning for warning in result.json["warnings"]),
          f"nothing is said of the foreign spool: {result.json['warnings']}")
    stranger.link("suspend")
    equal(stranger.backup(f"disk={stranger.image}").code, 21, "exit code with a foreign spool")
    for text in ("size: 1GiB, directory: here", "directory: /x", "size: 1GiB, directory: /x, when: no",
                 "size: 1GiB, directory: /x, counts: often", "size: 1GiB, directory: /x, colour: red"):
        stranger.write("links.yaml", f"links: {{a: {{carries: x.org, spool: {{{text}}}}}}}".encode())
        equal(stranger.run("link", "list", needs_repository=False).code, 2, f"exit code of {text}")


@test
def the_bound():
    lab = SpoolLab(size="2MiB")
    lab.back_up("remote")
    lab.link("suspend")
    lab.change()
    local = lab.back_up("local")
    other = make_image(lab.path("other"), 8 * MIB, 9)
    result = lab.backup(f"disk={other}", machine="other")
    equal(result.code, 22, "exit code of a full spool")
    check("spool send" in result.error["advice"], f"advice: {result.error}")
    used = lab.run("spool", "list").expect(0).json["bytes_used"]
    check(used <= 2 * MIB, f"the spool takes {used} bytes")
    equal([point["id"] for point in lab.waiting()], [local], "what waits")
    lab.link("resume")
    lab.send()
    lab.backup(f"disk={other}", machine="other").expect(0)
    lab.expect_restores(lab.contents)


@test
def killed_while_sending():
    """kill -9 at random moments of sending, while a keeper collects: nothing is sent twice."""
    lab = SpoolLab()
    keeper = lab.member("keeper", "keeper")
    keeper.variables.pop("LIFEBOAT_LINKS")
    lab.back_up("remote")
    lab.link("suspend")
    for _ in range(3):
        lab.change()
        lab.back_up("local")
    lab.link("resume")
    # However fast this machine is, no run gets far.
    lab.proxy.add("delay", match="^PUT", milliseconds=150)
    source = random.Random(f"kills {FIRST_SEED}")
    killed = 0
    for number in range(9):
        process = lab.start("spool", "send", *lab.secret)
        try:
            process.wait(source.uniform(0.02, 0.8))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        if number % 3 == 2:
            keeper.run("prune", "--max-unused", "0", *keeper.secret).expect(0)
    check(killed > 2, f"only {killed} runs were killed")
    lab.proxy.decisions.deciders = [lab.puts]
    lab.run("spool", "send", *lab.secret).expect(0)
    lab.adopt_ids()
    equal(lab.waiting(), [], "what waits")
    packs = lab.puts.packs()
    # A put that was cut off by the kill may have to be done again, as nobody can tell.
    again = sum(packs.values()) - len(packs)
    check(again <= killed, f"{again} packs were put again after {killed} kills: {packs}")
    for _ in range(4):
        keeper.run("prune", "--max-unused", "0", *keeper.secret).expect(0)
    lab.clean_caches()
    lab.expect_restores(lab.contents)
    lab.verify_data().expect(0)


@test
def a_base_that_is_gone():
    lab = SpoolLab()
    keeper = lab.member("keeper", "keeper")
    base = lab.back_up("remote")
    lab.link("suspend")
    lab.change()
    local = lab.back_up("local")
    lab.link("resume")
    # Another host takes over the machine, and somebody forgets what was there before.
    other = lab.member("writer", "other")
    image = make_image(other.path("disk"), 4 * MIB, 5)
    newest = other.backup(f"disk={image}").expect(0).json["point"]
    keeper.run("forget", base, *keeper.secret).expect(0)
    for _ in range(4):
        keeper.run("prune", "--max-unused", "0", *keeper.secret).expect(0)
    result = lab.run("spool", "send", *lab.secret)
    equal(result.code, 21, "exit code")
    failed = result.json["failed"]
    check(len(failed) == 1 and failed[0]["local"] == local and "base" in failed[0]["message"]
          and "spool drop" in failed[0]["advice"], f"what is told: {failed}")
    # A backup goes on all the same, and says it.
    lab.contents = {newest: digest(image)}
    result = lab.backup(f"disk={lab.image}").expect(0)
    check(b"cannot be sent" in result.err, f"nothing is said of what waits: {result.err!r}")
    equal(len(lab.run("spool", "drop", "--all").expect(0).json["dropped"]), 1, "what was dropped")
    lab.contents[result.json["point"]] = digest(lab.image)
    lab.expect_restores(lab.contents)
    lab.verify_data().expect(0)


@test
def by_option_and_with_a_directory():
    lab = SpoolLab(link=False)
    spool = ["--spool", lab.spool]
    lab.back_up("remote", *spool, "--spool-size", "100MiB")
    lab.proxy.close_port()
    lab.change()
    local = lab.back_up("local", *spool, "--spool-size", "100MiB")
    equal([point["id"] for point in lab.waiting(*spool)], [local], "what waits")
    equal(lab.run("points", *lab.secret).code, 11, "exit code of points without the option")
    lab.proxy.open_port()
    lab.send(*spool)
    lab.expect_restores(lab.contents)
    directory = Lab()
    result = directory.backup(f"disk={lab.image}", options=[*spool, "--spool-size", "1GiB"])
    equal(result.code, 2, "exit code with a directory")
    equal(lab.backup(f"disk={lab.image}", options=spool).code, 2, "exit code without a size")


main()
