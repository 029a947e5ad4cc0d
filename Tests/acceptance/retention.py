"""Forgetting, holding and tagging points; sessions of hosts that died; head codes."""
import os
import shutil
import signal
import subprocess
import time

from harness import *


class Kept(Lab):
    """A lab with a keeper besides the host that backs up."""

    def __init__(self, minimum_age="0", **options):
        super().__init__(init=False, **options)
        self.run("init", "--recovery-key-file", self.recovery, "--new-key-file", self.key,
                 "--minimum-age", minimum_age).expect(0)
        self.keeper = self.path("keeper.key")
        self.run("key", "enrol", "--role", "keeper", "--label", "keeper", "--new-key-file",
                 self.keeper, "--recovery-key-file", self.recovery).expect(0)
        self.images = 0

    @property
    def keeper_environment(self):
        """The keeper is another host: it has a memory of its own."""
        return {"LIFEBOAT_STATE_DIR": self.path("keeper-state"),
                "LIFEBOAT_CACHE_DIR": self.path("keeper-cache")}

    def keep(self, *arguments, **run):
        return self.run(*arguments, "--key-file", self.keeper, env=self.keeper_environment, **run)

    def point(self, machine="m", *options):
        """A small point of a new image; good, for a file that nobody writes is."""
        self.images += 1
        image = make_image(self.path("disk"), MIB, self.images)
        return self.backup(f"disk={image}", machine=machine, options=options).expect(0).json["point"]

    def listed(self):
        return [point["id"] for point in self.points()]

    def decisions(self, *arguments):
        result = self.keep("forget", *arguments).expect(0)
        return {point["id"]: point for point in result.json["points"]}


@test
def forgetting_by_name():
    lab = Kept()
    points = [lab.point() for _ in range(4)]
    before = lab.objects("log/")
    result = lab.run("forget", points[0], *lab.secret).expect(21)
    check("keeper" in result.told() and "key enrol" in result.told(), result.told())
    result = lab.keep("forget", points[0], points[1][:12]).expect(0)
    equal((result.json["forgotten"], result.json["log_entries"]), (2, 1), "forgotten")
    equal(lab.listed(), points[2:], "points")
    equal(len(lab.objects("log/")), len(before) + 1, "log entries")
    # The newest stays, and with it everything that was named beside it.
    result = lab.keep("forget", points[2], points[3]).expect(21)
    check(points[3][:12] in result.told() and "newest" in result.told(), result.told())
    check(points[2][:12] not in result.told(), result.told())
    equal(lab.listed(), points[2:], "points after a refusal")
    lab.keep("forget", points[0]).expect(13)
    lab.run("show", points[0], *lab.secret).expect(13)
    lab.restore(points[0], lab.path("out")).expect(13)
    lab.keep("forget").expect(2)
    lab.keep("forget", points[2], "--keep-last", "1").expect(2)
    # The parent of the next point was forgotten or not: what is there restores.
    kept = {points[3]: digest(lab.path("disk"))}
    lab.keep("forget", points[2]).expect(0)
    new = lab.point()
    kept[new] = digest(lab.path("disk"))
    lab.expect_restores(kept)
    check(lab.verify_data().code == 0, "verify after forgetting")


@test
def forgetting_by_policy():
    lab = Kept()
    points = {machine: [lab.point(machine) for _ in range(4)] for machine in ("a", "b")}
    nightly = [lab.point("a", "--tag", "group=night") for _ in range(2)]
    entries = lab.objects("log/")
    plan = lab.decisions("--keep-last", "2", "--dry-run")
    equal(lab.objects("log/"), entries, "log entries after a dry run")
    forgotten = {p for p, decision in plan.items() if decision["action"] == "forget"}
    equal(forgotten, set(points["a"][:2] + points["b"][:2]), "what would be forgotten")
    for point in nightly:
        equal(plan[point]["group"], {"group": "night"}, "group of a nightly point")
        check("last" in plan[point]["reasons"], f"{plan[point]}")
    check("newest" in plan[points["b"][3]]["reasons"], "the newest is not told")
    # All in one group of the machine.
    plan = lab.decisions("--keep-last", "2", "--group-by", "machine", "--machine", "a", "--dry-run")
    forgotten = {p for p, decision in plan.items() if decision["action"] == "forget"}
    equal(forgotten, set(points["a"]), "what would be forgotten in one group")
    text = lab.keep("forget", "--keep-daily", "3", "--machine", "b")
    equal(text.json["forgotten"], 3, "points of one day")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    reasons = [d["reasons"] for d in text.json["points"] if d["action"] == "keep"]
    check(len(reasons) == 1 and reasons[0][0].startswith("daily 20"), f"{day}: {reasons}")
    equal(set(lab.listed()), {*points["a"], *nightly, points["b"][3]}, "points")
    equal(lab.keep("forget", "--keep-daily", "3", "--machine", "b").json["forgotten"], 0, "again")
    lab.keep("forget", "--keep-within", "1y6m").expect(0)
    equal(lab.keep("forget", "--keep-last", "1", "--tag", "group=night").json["forgotten"], 1,
          "points with a tag")
    equal(set(lab.listed()), {*points["a"], nightly[1], points["b"][3]}, "points")
    lab.keep("forget", "--keep-last", "1").expect(0)
    equal(set(lab.listed()), {points["a"][3], nightly[1], points["b"][3]}, "one of each group")


@test
def points_that_are_too_young():
    lab = Kept(minimum_age="4s")
    old, new = lab.point(), lab.point()
    result = lab.keep("forget", old).expect(21)
    check("too young until 20" in result.told(), result.told())
    begun = time.time()
    equal(lab.listed(), [old, new], "points")
    plan = lab.decisions("--keep-last", "1", "--dry-run")
    check(plan[old]["action"] == "keep" and "too young" in plan[old]["reasons"][-1], f"{plan}")
    equal(lab.keep("forget", "--keep-last", "1").json["forgotten"], 0, "forgotten")
    # The refused run was the first that saw them: from there the age counts.
    time.sleep(max(0, begun + 4.2 - time.time()))
    newest = lab.point()
    equal(lab.keep("forget", "--keep-last", "1").json["forgotten"], 2, "forgotten when old enough")
    equal(lab.listed(), [newest], "points")


@test
def holds():
    lab = Kept()
    points = [lab.point() for _ in range(3)]
    lab.run("hold", points[0], *lab.secret).expect(21)
    result = lab.keep("hold", points[0]).expect(0)
    equal([p["held"] for p in result.json["points"]], [True], "what hold says")
    equal([p["held"] for p in lab.points()], [True, False, False], "held")
    equal(lab.run("show", points[0], *lab.secret).json["point"]["held"], True, "show")
    result = lab.keep("forget", points[0], points[1]).expect(21)
    check("on hold" in result.told() and "release" in result.told(), result.told())
    entries = lab.objects("log/")
    lab.keep("hold", points[0]).expect(0)
    equal(lab.objects("log/"), entries, "log entries after a hold that was there")
    plan = lab.decisions("--keep-last", "1")
    equal(plan[points[0]]["reasons"], ["on hold"], "why a held point stays")
    equal(lab.listed(), [points[0], points[2]], "points")
    equal(lab.run("repo", "info", *lab.secret).expect(0).json["held_points"], 1, "held points")
    lab.keep("release", points[0]).expect(0)
    equal([p["held"] for p in lab.points()], [False, False], "held")
    lab.keep("forget", points[0]).expect(0)
    lab.keep("hold", points[0]).expect(13)


@test
def tags_of_points():
    lab = Kept()
    first, second = lab.point("m", "--tag", "a=1"), lab.point("m")
    lab.run("tag", first, "--set", "b=2", "--unset", "a", *lab.secret).expect(0)
    equal([p["tags"] for p in lab.points()], [{"b": "2"}, {}], "tags by the writer")
    result = lab.keep("tag", first, second, "--set", "release=2.4").expect(0)
    equal(result.json["points"][0]["tags"], {"b": "2", "release": "2.4"}, "what tag says")
    equal(lab.run("show", second, *lab.secret).json["point"]["tags"], {"release": "2.4"}, "show")
    listed = lab.run("points", "--tag", "b=2", *lab.secret).expect(0).json["points"]
    equal([p["id"] for p in listed], [first], "points with a tag")
    lab.restore("latest", lab.path("none"), "--tag", "a=1").expect(13)
    lab.restore("latest", lab.path("out"), "--tag", "release=2.4").expect(0)
    equal(digest(lab.path("out")), digest(lab.path("disk")), "restored by a new tag")
    lab.keep("tag", second, "--unset", "release").expect(0)
    equal(lab.points()[1]["tags"], {}, "tags")
    # Another writer may not.
    other = lab.path("other.key")
    lab.run("key", "enrol", "--role", "writer", "--new-key-file", other,
            "--recovery-key-file", lab.recovery).expect(0)
    env = {"LIFEBOAT_STATE_DIR": lab.path("other-state")}
    result = lab.run("tag", first, "--set", "x=y", "--key-file", other, env=env).expect(21)
    check("another writer" in result.told(), result.told())
    equal(lab.points()[0]["tags"], {"b": "2", "release": "2.4"}, "tags")


def killed_backup(lab):
    """Kills a backup that has stored packs; returns whether it was still at it."""
    image = make_image(lab.path("big"), 128 * MIB, 7, noise=0.9)
    before = len(lab.objects("packs/"))
    process = lab.start("backup", "--machine", "m", f"big={image}", *lab.secret)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if len(lab.objects("packs/")) > before:
            break
        time.sleep(0.005)
    alive = process.poll() is None
    process.kill()
    process.wait()
    check(alive, "the backup was over before it could be killed")
    return image


@test
def sessions_of_a_killed_backup():
    lab = Kept()
    point = lab.point()
    equal(lab.run("session", "list", *lab.secret).expect(0).json["sessions"], [], "sessions")
    killed_backup(lab)
    sessions = lab.run("session", "list", *lab.secret).expect(0).json["sessions"]
    equal(len(sessions), 1, "open sessions")
    session = sessions[0]
    check(abs(session["since_ms"] / 1000 - time.time()) < 120, f"since: {session}")
    equal((session["fenced"], session["condemned_objects"]), (False, 0), "the session")
    info = lab.run("repo", "info", *lab.secret).expect(0).json
    equal([s["session"] for s in info["sessions"]], [session["session"]], "sessions of repo info")
    # Only a keeper fences, and only writers.
    lab.run("session", "fence", session["session"], *lab.secret).expect(21)
    equal(lab.keep("session", "fence", "--all-older-than", "1d").json["fenced"], [], "fenced")
    lab.keep("session", "fence", "00000000").expect(13)
    keeper = next(m["id"] for m in info["members"] if m["role"] == "keeper")
    lab.keep("forget", "--keep-last", "1").expect(0)
    lab.keep("hold", point).expect(0)
    result = lab.keep("session", "fence", keeper).expect(21)
    check("key revoke" in result.told(), result.told())
    result = lab.keep("session", "fence", session["session"][:8]).expect(0)
    equal([(log["incarnation"], log["sessions"]) for log in result.json["fenced"]],
          [(session["incarnation"], [session["session"]])], "fenced")
    equal(lab.run("session", "list", *lab.secret).expect(0).json["sessions"], [], "sessions")
    ended = lab.run("session", "list", "--all", *lab.secret).expect(0).json["sessions"]
    equal([(s["session"], s["fenced"]) for s in ended], [(session["session"], True)], "all")
    # The host goes on in a new log; its points stay.
    equal(lab.listed(), [point], "points")
    kept = {point: digest(lab.path("disk"))}
    new = lab.point()
    kept[new] = digest(lab.path("disk"))
    equal(len({p["incarnation"] for p in lab.points()}), 2, "logs of the host")
    lab.expect_restores(kept)
    equal(lab.run("session", "list", *lab.secret).expect(0).json["sessions"], [], "sessions")
    # By the writer's id, and by age.
    killed_backup(lab)
    writer = lab.points()[-1]["writer"]
    equal(len(lab.keep("session", "fence", writer).expect(0).json["fenced"]), 1, "by writer")
    killed_backup(lab)
    time.sleep(1.1)
    fenced = lab.keep("session", "fence", "--all-older-than", "1s").expect(0).json["fenced"]
    equal(len(fenced), 1, "by age")


@test
def a_backup_that_is_fenced_meanwhile():
    lab = Kept()
    point = lab.point()
    image = make_image(lab.path("big"), 128 * MIB, 8, noise=0.9)
    before = len(lab.objects("packs/"))
    process = lab.start("backup", "--machine", "m", f"big={image}", *lab.secret)
    while process.poll() is None and len(lab.objects("packs/")) == before:
        time.sleep(0.005)
    check(process.poll() is None, "the backup was over too soon")
    os.kill(process.pid, signal.SIGSTOP)
    lab.keep("session", "fence", "--all-older-than", "0").expect(0)
    os.kill(process.pid, signal.SIGCONT)
    code = process.wait()
    check(code not in (0, -9), f"a fenced backup ends with {code}")
    equal(lab.listed(), [point], "points")
    result = lab.backup(f"big={image}").expect(0)
    lab.expect_restores({result.json["point"]: digest(image)})


def head(lab, *arguments, state="fresh-state", repo=None):
    """`repo head` by somebody who remembers nothing."""
    shutil.rmtree(lab.path(state), ignore_errors=True)
    env = {"LIFEBOAT_STATE_DIR": lab.path(state), "LIFEBOAT_CACHE_DIR": lab.path("fresh-cache")}
    shutil.rmtree(lab.path("fresh-cache"), ignore_errors=True)
    if repo:
        return lab.run("repo", "head", *arguments, *lab.secret, "--repo", repo, "--json", env=env,
                       needs_repository=False)
    return lab.run("repo", "head", *arguments, *lab.secret, env=env)


@test
def head_codes():
    lab = Kept()
    empty = head(lab).expect(0).json["code"]
    points = [lab.point() for _ in range(3)]
    older = lab.path("older")
    shutil.copytree(lab.repo, older)
    lab.keep("hold", points[0]).expect(0)
    points.append(lab.point())
    result = head(lab).expect(0)
    code = result.json["code"]
    check(code.startswith("LB1-"), code)
    equal([h["role"] for h in result.json["heads"]], ["keeper", "writer"], "heads")
    text = subprocess.run(
        lab.command("repo", "head", *lab.secret, json_output=False), env=lab.environment(),
        capture_output=True, text=True)
    equal(text.stdout, code + "\n", "what is printed")
    for known in (code, empty, code.lower().replace("-", " "), code.replace("0", "o")):
        equal(head(lab, "--expect", known).expect(0).json["expected"],
              {"agrees": True, "notes": []}, f"comparison with {known}")
    for index in range(4, len(code), 5):
        wrong = code[:index] + ("A" if code[index] != "A" else "B") + code[index + 1:]
        head(lab, "--expect", wrong).expect(2)
    # Set back to a copy, and grown again further than before.
    result = head(lab, "--expect", code, repo=older).expect(20)
    check("set back" in result.told(), result.told())
    shutil.move(lab.repo, lab.path("newer"))
    shutil.copytree(older, lab.repo)
    env = {"LIFEBOAT_STATE_DIR": lab.path("s2"), "LIFEBOAT_CACHE_DIR": lab.path("c2")}
    for number in range(4):
        image = make_image(lab.path("disk"), MIB, 100 + number)
        lab.backup(f"disk={image}", env=env).expect(0)
    result = head(lab, "--expect", code).expect(20)
    shutil.rmtree(lab.repo)
    shutil.move(lab.path("newer"), lab.repo)
    # It grows, and agrees.
    points.append(lab.point())
    lab.keep("forget", points[1]).expect(0)
    equal(head(lab, "--expect", code).expect(0).json["expected"]["notes"], [], "notes")
    # One point's entry is gone, in the middle of the log or at its end.
    known = head(lab).expect(0).json["code"]

    def without(path):
        hidden = lab.path("hidden")
        shutil.move(path, hidden)
        result = head(lab, "--expect", known)
        shutil.move(hidden, path)
        return result

    point = next(p for p in lab.points() if p["id"] == points[2])
    log = os.path.join(lab.repo, "log", point["incarnation"])
    for name in (f"{point['sequence']:016}", max(os.listdir(log))):
        result = without(os.path.join(log, name)).expect(20)
        check(name in result.told() or "ends with entry" in result.told(), result.told())
    # A body is gone: that of the forgotten point may be.
    bodies = [os.path.join(lab.repo, name) for name in lab.objects("points/")]
    codes = sorted(without(body).code for body in bodies)
    equal(codes, [0] + [20] * len(lab.points()), "exit codes without one body each")
    head(lab, "--expect", known).expect(0)
    other = Kept()
    head(other, "--expect", code).expect(20)


@test
def what_a_repository_is():
    lab = Kept(minimum_age="2h")
    lab.point()
    info = lab.run("repo", "info", *lab.secret).expect(0).json
    equal((info["minimum_age_ms"], info["points"], info["logs"], info["chunk_size"]),
          (7_200_000, 1, 1, 65536), "repo info")
    equal([m["role"] for m in info["members"]], ["writer", "keeper"], "members")
    equal(info["abilities"], ["list", "backup"], "what a writer may do")
    equal(lab.keep("repo", "info").expect(0).json["abilities"], ["list", "forget"], "a keeper")
    info = lab.run("repo", "info", "--recovery-key-file", lab.recovery).expect(0).json
    equal(info["abilities"], ["list", "restore", "members"], "the recovery key")


main()
