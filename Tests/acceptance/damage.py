"""Every kind of object damaged in every way: never a wrong byte, always a named object."""
import os
import random
import shutil
import sys

from harness import *

SIZE = 12 * MIB
CHUNK = 16 * KIB
KINDS = ["config", "roster", "key", "data pack", "metadata pack", "index", "log", "body", "check"]
WAYS = ["flip", "truncate", "empty", "extend", "swap", "older", "remove", "version"]
# What a restore may say about damage, besides doing it right.
CODES = (0, 10, 12, 13, 20, 21, 24)


class Original:
    """A repository with two points and a verification, to be copied and damaged."""

    def __init__(self):
        self.lab = Lab(chunk_size=CHUNK)
        lab = self.lab
        self.image = make_image(lab.path("disk"), SIZE, 1, piece=64 * KIB)
        self.points = {}
        self.backup()
        self.first_state = lab.path("repo-1")
        shutil.copytree(lab.repo, self.first_state)
        change_image(self.image, 1, count=30)
        lab.run("verify", *lab.secret).expect(0)
        self.backup()
        lab.run("verify", *lab.secret).expect(0)
        lab.run("key", "add", "--new-key-file", lab.path("other.key"), *lab.secret).expect(0)
        self.first, self.second = self.points

    def backup(self):
        result = self.lab.backup(f"disk={self.image}").expect(0)
        self.points[result.json["point"]] = digest(self.image)

    def copy(self):
        lab = Lab(init=False)
        for name in ("repo", "state", "cache", "recovery.key", "host.key", "disk"):
            source, target = self.lab.path(name), lab.path(name)
            if os.path.isdir(source):
                shutil.copytree(source, target, copy_function=os.link)
            else:
                os.link(source, target)
        return lab

    def of_kind(self, kind):
        """The names of all objects of a kind, in the order in which they were made."""
        prefix = {"config": "config/", "roster": "roster/", "key": "keys/", "index": "index/",
                  "log": "log/", "body": "points/", "check": "checks/"}.get(kind, "packs/")
        names = self.lab.objects(prefix)
        if prefix == "packs/":
            content = {"data pack": 1, "metadata pack": 2}[kind]
            names = [n for n in names if open(f"{self.lab.repo}/{n}", "rb").read(7)[6] == content]
        if kind in ("data pack", "metadata pack", "body"):
            return sorted(names, key=lambda n: os.stat(f"{self.lab.repo}/{n}").st_mtime_ns)
        return sorted(names)


ORIGINAL = None


def original():
    global ORIGINAL
    if ORIGINAL is None:
        ORIGINAL = Original()
        Lab.every.remove(ORIGINAL.lab)
        atexit.register(ORIGINAL.lab.close)
    return ORIGINAL


def replace(path, data):
    """Puts other bytes under a name without touching the file that other names lead to."""
    os.unlink(path)
    with open(path, "wb") as file:
        file.write(data)


def flip(data, bit):
    data = bytearray(data)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def offsets(kind, data, source):
    """Bits worth flipping: each part of the layout has one."""
    size = len(data)
    places = {0, 4, 6, 7, 8, size - 1, size // 2, source.randrange(size)}
    if "pack" in kind:
        table = 1168 if kind == "data pack" else 32
        places |= {10, 30, 45, 72 + source.randrange(table), 72 + table + 5,
                   72 + table + source.randrange(size - 72 - table), size - 20, size - 33}
    elif kind in ("config", "roster", "log", "check"):
        places |= {9, 12, 13, size - 64 - 3, size - 64 + source.randrange(64)}
    elif kind == "index":
        places |= {20, 30, 45, 60, 90, size - 65, size - 30}
    return sorted(p for p in places if 0 <= p < size)


class Case:
    """One object of a copy, damaged in one way, and what must hold then."""

    def __init__(self, lab, kind, name, way, what):
        self.lab, self.kind, self.name, self.way, self.what = lab, kind, name, way, what

    def fail(self, why):
        raise Failure(f"{self.kind} {self.name[:24]} ({self.way} {self.what}): {why}")

    def names_it(self, text):
        last = os.path.basename(self.name)
        if self.kind == "config" and self.lab.repo in text:
            return True
        return last in text or self.name in text or last[:12] in text

    def check_restores(self, must=False, may_miss=()):
        """Both points: right bytes, or an error that names the object."""
        for point, expected in original().points.items():
            found, result = self.lab.restored_digest(point)
            if result.code not in CODES:
                self.fail(f"restore ends with {result.code}: {result.told()[:300]}")
            if result.code == 0:
                if found != expected:
                    self.fail(f"WRONG BYTES restored of point {point[:12]}")
                continue
            if not self.names_it(result.told()):
                self.fail(f"restore does not name the object: {result.told()[:300]}")
            if must and point not in may_miss:
                self.fail(f"point {point[:12]} should restore: {result.told()[:300]}")

    def check_verify(self, result, what, must=True):
        if result.code == 0 and not must:
            return
        if result.code not in (10, 12, 20, 24):
            self.fail(f"{what} ends with {result.code}: {result.told()[:300]}")
        text = result.out.decode() + result.told()
        if not self.names_it(text) and result.code not in (10, 12):
            self.fail(f"{what} does not name the object: {text[:400]}")


def detectable(kind, way, keyless):
    """Whether anybody can tell at all."""
    if way == "remove" and kind in ("check", "key"):
        return False
    if way in ("swap", "older") and kind == "check":
        return False
    if kind == "key" and way in ("flip", "swap", "older"):
        # What is sealed in a slot can be told from another password only by who has its own.
        return False
    if way == "older" and kind in ("config", "roster", "key"):
        return False
    return True


def damaged(kind, way, seed):
    """A copy with one object of a kind damaged; `None` where that cannot be done."""
    source = random.Random(f"damage {kind} {way} {seed}")
    names = original().of_kind(kind)
    name = names[seed % len(names)] if kind != "key" else source.choice(names)
    lab = original().copy()
    path = os.path.join(lab.repo, name)
    data = open(path, "rb").read()
    what = ""
    if way == "flip":
        place = source.choice(offsets(kind, data, source))
        what = f"byte {place} of {len(data)}"
        replace(path, flip(data, 8 * place + source.randrange(8)))
    elif way == "truncate":
        count = source.choice([1, 3, len(data) // 2, len(data) - 1, source.randrange(len(data))])
        what = f"to {count} of {len(data)} bytes"
        replace(path, data[:count])
    elif way == "empty":
        replace(path, b"")
    elif way == "extend":
        replace(path, data + source.randbytes(source.choice([1, 64, 4096])))
    elif way == "version":
        what = "format version 7"
        replace(path, data[:4] + b"\x07\x00" + data[6:])
    elif way == "swap":
        others = [n for n in names if n != name]
        if not others:
            other = Lab(chunk_size=CHUNK)
            others = list(other.objects(name.split("/")[0] + "/"))
            replace(path, open(os.path.join(other.repo, others[0]), "rb").read())
            what = "with another repository's"
        else:
            replace(path, open(os.path.join(lab.repo, source.choice(others)), "rb").read())
    elif way == "older":
        if kind not in ("log", "index", "body"):
            lab.close()
            return None
        # The whole folder as it was after the first point: a rollback of this kind.
        top = name.split("/")[0]
        now, then = original().lab.objects(top + "/"), set()
        for folder, _, files in os.walk(os.path.join(original().first_state, top)):
            then |= {os.path.relpath(os.path.join(folder, f), original().first_state)
                     for f in files}
        gone = [n for n in now if n not in then]
        for n in gone:
            os.unlink(os.path.join(lab.repo, n))
        name = gone[0]
    elif way == "remove":
        os.unlink(path)
    return Case(lab, kind, name, way, what)


def examine(case, keep_caches):
    lab, kind, way = case.lab, case.kind, case.way
    if not keep_caches:
        lab.clean_caches()
    harmless = kind in ("key", "check", "index")
    case.check_restores(must=harmless and way != "version")
    must = detectable(kind, way, True)
    case.check_verify(lab.verify("--keyless"), "verify --keyless", must)
    case.check_verify(lab.verify_data(), "verify --read-data", must)
    case.check_restores(must=harmless and way != "version")
    if kind in ("data pack", "metadata pack"):
        set_aside = f"damaged/{os.path.basename(case.name)}"
        if set_aside not in lab.objects("damaged/"):
            case.fail("the pack was not set aside")
        if os.path.exists(os.path.join(lab.repo, case.name)):
            case.fail("the damaged pack still stands under its name")


def heal(case):
    """The next backup of data that is still there makes old points whole again."""
    lab = case.lab
    result = lab.backup(f"disk={lab.path('disk')}")
    if result.code not in (0, 3):
        case.fail(f"the next backup ends with {result.code}: {result.told()[:300]}")
    found, restored = lab.restored_digest(result.json["point"])
    if found != digest(lab.path("disk")):
        case.fail(f"the point of the next backup does not restore: {restored.told()[:300]}")
    found, restored = lab.restored_digest(original().second)
    if found != original().points[original().second]:
        case.fail(f"the old point is not healed: {restored.told()[:300]}")
    return result


def all_kinds(ways, count):
    done = 0
    for seed in seeds(count):
        for kind in KINDS:
            for way in ways:
                case = damaged(kind, way, seed)
                if case is None:
                    continue
                try:
                    examine(case, keep_caches=(seed + KINDS.index(kind) + WAYS.index(way)) % 2)
                    if kind in ("data pack", "metadata pack") and case.name in second_packs():
                        heal(case)
                        result = case.lab.verify_data()
                        # The first point's own data may be gone for good.
                        if result.code != 0:
                            case.fail(f"verify after healing: {result.out[-400:]}")
                finally:
                    Lab.close_all()
                done += 1
    print(f"# {done} cases", file=sys.stderr)


def second_packs():
    """Packs that hold nothing but what the image still has."""
    then = set()
    for folder, _, files in os.walk(os.path.join(original().first_state, "packs")):
        then |= set(files)
    return {n for n in original().lab.objects("packs/") if os.path.basename(n) not in then}


@test
def bits_flipped():
    all_kinds(["flip"], max(2, SEEDS // 4))


@test
def truncated_emptied_extended():
    all_kinds(["truncate", "empty", "extend"], max(1, SEEDS // 15))


@test
def swapped_set_back_removed():
    all_kinds(["swap", "older", "remove"], max(1, SEEDS // 15))


@test
def a_newer_format_version():
    for kind in KINDS:
        case = damaged(kind, "version", 0)
        if kind == "key":
            # The only slot: the other one would open.
            for name in case.lab.objects("keys/"):
                path = os.path.join(case.lab.repo, name)
                data = open(path, "rb").read()
                replace(path, data[:4] + b"\x07\x00" + data[6:])
                case.name = name
            result = case.lab.run("points", *case.lab.secret)
            equal(result.code, 24, f"points, {kind} of version 7")
            continue
        case.lab.clean_caches()
        codes = []
        for point in original().points:
            found, result = case.lab.restored_digest(point)
            check(result.code != 0 or found == original().points[point], f"{kind}: wrong bytes")
            codes.append(result.code)
            if result.code != 0:
                check(case.names_it(result.told()), f"{kind} is not named: {result.told()[:300]}")
                check("7" in result.told() or result.code == 20, f"no version: {result.told()}")
        result = case.lab.verify(*case.lab.secret)
        if kind in ("config", "roster", "log"):
            check(24 in codes, f"{kind} of version 7: restore ends with {codes}")
            equal(result.code, 24, f"verify, {kind} of version 7")
        else:
            check(result.code in (20, 24), f"verify, {kind} of version 7: {result.code}")
        Lab.close_all()


@test
def data_packs_heal():
    """All packs of all points, one after the other: set aside, and healed from the source."""
    for seed in seeds(max(1, SEEDS // 10)):
        lab = Lab(chunk_size=CHUNK)
        image = make_image(lab.path("disk"), SIZE, seed)
        point = lab.backup(f"disk={image}").expect(0).json["point"]
        expected = digest(image)
        for number, name in enumerate(sorted(lab.objects("packs/"))):
            path = os.path.join(lab.repo, name)
            data = open(path, "rb").read()
            place = random.Random(f"heal {seed} {number}").randrange(len(data))
            replace(path, flip(data, place * 8))
            if number % 2:
                lab.clean_caches()
            result = lab.verify_data().expect(20)
            problem = [p for p in result.json["problems"] if p["object"] == name]
            check(problem and problem[0]["set_aside"], f"{name} is not set aside")
            check(problem[0]["affected"], f"verify does not say what is affected by {name}")
            check(result.json["problems"][0]["affected"][0].find(point[:12]) >= 0,
                  "the affected point is not named")
            lab.backup(f"disk={image}").expect(0, 3)
            lab.expect_restores({point: expected})
            result = lab.verify_data()
            check(result.code == 0, f"verify after healing {name}: {result.out[-400:]}")
        Lab.close_all()


@test
def a_backup_that_meets_a_damaged_map_makes_a_whole_point():
    """Without a verification that would have set the pack aside."""
    for seed in seeds(max(2, SEEDS // 7)):
        for hinted in (False, True):
            case = damaged("metadata pack", "flip" if seed % 2 else "remove", 2 * seed)
            lab = case.lab
            if seed % 3 == 0:
                lab.clean_caches()
            image = lab.path("disk")
            options = []
            if hinted:
                path = lab.write("hint", (
                    f"lifeboat-changed-extents 0\nbase {original().second}\nvolume disk\n"
                    f"size {SIZE}\ngranularity {CHUNK}\nextents 0\nend\n").encode())
                options = ["--changed-extents", f"disk={path}"]
            result = lab.backup(f"disk={image}", options=options)
            check(result.code in (0, 3), f"backup: {result.told()[:400]}")
            found, restored = lab.restored_digest(result.json["point"])
            equal(found, digest(image), f"the new point ({case.way} {case.what}, hinted {hinted}, "
                  f"{restored.told()[:300]})")
            Lab.close_all()


@test
def what_is_whole_in_a_damaged_pack_stays_readable():
    """A flipped bit costs one frame, not the pack, also after the pack was set aside."""
    lab = Lab()
    image = make_image(lab.path("disk"), 24 * MIB, 1, noise=0.98, holes=0)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    name = max(lab.objects("packs/"), key=lambda n: lab.objects()[n])
    path = os.path.join(lab.repo, name)
    replace(path, flip(open(path, "rb").read(), 8 * 10 * MIB))
    lab.verify_data().expect(20)
    target = lab.path("target")
    result = lab.restore(point, target).expect(20)
    partial = target + ".lifeboat-partial"
    wrong = differing(image, partial, 64 * KIB)
    check(0 < wrong <= 4 * MIB, f"{wrong} bytes are not restored")
    told = int(result.error["message"].split()[0])
    check(wrong <= told <= 4 * MIB, f"the error tells of {told} bytes, {wrong} differ")


@test
def a_damaged_map_node_costs_what_it_covers():
    lab = Lab(chunk_size=CHUNK)
    image = make_image(lab.path("disk"), 24 * MIB, 2, noise=0.98, holes=0)
    old = lab.backup(f"disk={image}").expect(0).json["point"]
    old_image = lab.path("old")
    shutil.copy(image, old_image)
    before = set(lab.objects("packs/"))
    with open(image, "r+b") as file:
        file.seek(5 * MIB)
        file.write(random.Random(2).randbytes(100))
    new = lab.backup(f"disk={image}").expect(0).json["point"]
    # The first point's nodes are gone; the second has a path of its own, and the rest is lost.
    for name in before:
        if open(os.path.join(lab.repo, name), "rb").read(7)[6] == 2:
            os.unlink(os.path.join(lab.repo, name))
    target = lab.path("target")
    result = lab.restore(new, target).expect(20)
    with open(target + ".lifeboat-partial", "rb") as file, open(image, "rb") as expected:
        file.seek(5 * MIB)
        expected.seek(5 * MIB)
        equal(digest_of(file.read(100)), digest_of(expected.read(100)), "what is whole")
    check("bytes" in result.error["message"], result.error["message"])
    # In place: what cannot be restored is left as it is.
    shutil.copy(image, target)
    lab.restore(new, target, "--in-place").expect(20)
    equal(digest(target), digest(image), "a target that was right before")
    lab.restore(old, lab.path("gone")).expect(20)


def differing(left, right, step):
    wrong = 0
    with open(left, "rb") as a, open(right, "rb") as b:
        while True:
            x, y = a.read(step), b.read(step)
            if not x:
                return wrong
            if x != y:
                wrong += len(x)


@test
def lost_index_runs_are_made_again():
    for way in ("flip", "remove", "truncate"):
        case = damaged("index", way, 1)
        case.lab.clean_caches()
        heal(case)
        case.check_verify(case.lab.verify(*case.lab.secret), "verify")
        case.lab.run("index", "rebuild", *case.lab.secret).expect(0)
        case.lab.clean_caches()
        result = case.lab.verify_data()
        check(result.code == 0, f"verify after index rebuild: {result.out[-400:]}")
        case.lab.expect_restores(original().points)
        Lab.close_all()


@test
def damaged_caches_and_state_do_no_harm():
    for seed in seeds(max(3, SEEDS // 3)):
        source = random.Random(f"cache {seed}")
        lab = original().copy()
        paths = [os.path.join(folder, name) for top in (lab.cache, lab.state)
                 for folder, _, names in os.walk(top) for name in names]
        for path in source.sample(sorted(paths), min(len(paths), source.randrange(1, 4))):
            data = open(path, "rb").read()
            way = source.choice(["flip", "flip", "cut", "empty", "noise"])
            # A host that does not know any more where its log stands, or whom it trusts, says so.
            if not data or os.path.basename(path).startswith(("log-", "trusted")):
                continue
            if way == "flip":
                data = flip(data, source.randrange(8 * len(data)))
            elif way == "cut":
                data = data[:source.randrange(len(data))]
            elif way == "empty":
                data = b""
            else:
                data = source.randbytes(len(data))
            replace(path, data)
        for point, expected in original().points.items():
            found, result = lab.restored_digest(point)
            if result.code == 0:
                equal(found, expected, "restored bytes")
            else:
                check("cache" in result.told() or "index" in result.told(), result.told()[:300])
        result = lab.backup(f"disk={lab.path('disk')}")
        check(result.code in (0, 3, 20, 21), f"backup with a damaged cache: {result.told()[:300]}")
        lab.clean_caches()
        for point in lab.points():
            found, result = lab.restored_digest(point["id"])
            check(result.code == 0, f"restore without caches: {result.told()[:300]}")
            expected = original().points.get(point["id"], digest(lab.path("disk")))
            equal(found, expected, "a point made with a damaged cache")
        Lab.close_all()


@test
def a_rollback_of_the_log_is_noticed_and_its_number_not_given_again():
    lab = original().copy()
    last = sorted(lab.objects("log/"))[-1]
    os.unlink(os.path.join(lab.repo, last))
    bodies = [os.path.join(lab.repo, name) for name in lab.objects("points/")]
    os.unlink(max(bodies, key=lambda path: os.stat(path).st_mtime_ns))
    result = lab.verify(*lab.secret).expect(20)
    check(any(p["object"] == last for p in result.json["problems"]), f"{last} is not named")
    refused = lab.backup(f"disk={lab.path('disk')}").expect(21)
    check(last in refused.told(), f"the refusal does not name the entry: {refused.told()}")
    check(last not in lab.objects("log/"), "the number was given again")
    # A host that remembers another entry under the number notices too, and begins a new log.
    lab = original().copy()
    files = [os.path.join(f, n) for f, _, names in os.walk(lab.state) for n in names]
    heads = [path for path in files if os.path.basename(path) == "heads"][0]
    own = [path for path in files if os.path.basename(path).startswith("log-")][0]
    text = open(heads).read().split()
    before = set(lab.objects("log/"))
    for path in (heads, own):
        changed = open(path).read().replace(text[2], digest_of(b"another"))
        replace(path, changed.encode())
    result = lab.verify(*lab.secret).expect(20)
    check("remembers" in result.out.decode(), result.out.decode())
    lab.backup(f"disk={lab.path('disk')}").expect(0, 20)
    added = set(lab.objects("log/")) - before
    check(added and not {os.path.dirname(it) for it in added} & {os.path.dirname(it) for it in before},
          f"the old log was gone on with: {added}")


main()
