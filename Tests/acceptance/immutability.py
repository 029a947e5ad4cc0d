"""Immutable repositories in Ceph: what a thief of everything that a host has can do, and cannot."""
import datetime
import time

from object_stores import *

CEPH, = run_servers(Ceph())
XML = "http://s3.amazonaws.com/doc/2006-03-01/"
HOUR = 3600


class Versions:
    """A thief at work: every request that S3 has, with the host's own credentials."""

    def __init__(self, lab):
        self.lab, self.client, self.bucket = lab, lab.place.client(), lab.place.container

    def ask(self, method, key="", query=None, body=b"", **headers):
        if body:
            import base64
            headers["Content_MD5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
        return self.client.request(
            method, self.bucket, key, query, {k.replace("_", "-"): v for k, v in headers.items()},
            body)

    def list(self):
        """Key, version and whether it is a mark of a deletion, of all there is."""
        import xml.etree.ElementTree as tree
        found, query = [], {"versions": "", "prefix": self.lab.prefix + "/"}
        while True:
            root = tree.fromstring(self.ask("GET", query=query).expect(200).body)
            for entry in root:
                kind = entry.tag.removeprefix(f"{{{XML}}}")
                if kind in ("Version", "DeleteMarker"):
                    found.append((entry.findtext(f"{{{XML}}}Key"),
                                  entry.findtext(f"{{{XML}}}VersionId"), kind == "DeleteMarker"))
            if root.findtext(f"{{{XML}}}IsTruncated") != "true":
                return found
            query["key-marker"] = root.findtext(f"{{{XML}}}NextKeyMarker")
            query["version-id-marker"] = root.findtext(f"{{{XML}}}NextVersionIdMarker")

    def end(self, key, version):
        """Until when a version is locked, as the store tells it."""
        answer = self.ask("GET", key, {"retention": "", "versionId": version})
        if answer.status != 200:
            return None
        return answer.body.split(b"<RetainUntilDate>")[1].split(b"<")[0].decode()

    def retain(self, key, version, mode, seconds, **headers):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        body = (f'<Retention xmlns="{XML}"><Mode>{mode}</Mode><RetainUntilDate>'
                f'{end.strftime("%Y-%m-%dT%H:%M:%SZ")}</RetainUntilDate></Retention>')
        return self.ask("PUT", key, {"retention": "", "versionId": version}, body.encode(),
                        **headers)


class LockedLab(StoreLab):
    numbers_of_buckets = iter(range(1, 1 << 30))

    def __init__(self, lock="1h", **options):
        self.lock = lock
        super().__init__(
            s3_place(CEPH, bucket=f"locked-{next(self.numbers_of_buckets)}"), **options)

    def init(self, **options):
        return self.run("init", "--recovery-key-file", self.recovery, "--new-key-file", self.key,
                        "--minimum-age", "0s", "--immutable", self.lock, **options)

    def fill(self, count=3):
        """Points and what they restore to."""
        image, points = make_image(self.path("disk"), 3 * MIB, self.prefix), {}
        for number in range(count):
            change_image(image, f"{self.prefix} {number}", count=6)
            result = self.backup(f"disk={image}").expect(0)
            points[result.json["point"]] = digest(image)
        return points

    def begin_anew(self):
        """A host that remembers nothing."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.clean_caches()


def repository_versions(thief):
    return [entry for entry in thief.list() if "/probe/" not in entry[0]]


@test
def everything_put_is_locked():
    lab = LockedLab()
    lab.fill(1)
    thief = Versions(lab)
    now = time.time()
    found = repository_versions(thief)
    check(len(found) >= 7, f"{len(found)} versions")
    for key, version, is_marker in found:
        check(not is_marker, f"{key} was deleted")
        end = thief.end(key, version)
        check(end is not None, f"{key} is not locked")
        moment = datetime.datetime.fromisoformat(end[:19] + "+00:00").timestamp()
        check(moment > now, f"{key} is locked until {end} only")
    equal(lab.run("repo", "info", *lab.secret).expect(0).json["lock_ms"], HOUR * 1000, "lock_ms")
    status = lab.run("lock", "status", "--all", *lab.secret).expect(0).json
    equal((status["unlocked_objects"], status["meddled"]), (0, []), "lock status")
    check(status["asked_objects"] == status["objects"] >= 6, f"asked: {status}")


@test
def what_cannot_lock_is_refused():
    lab = Lab(init=False)
    keys = ["--recovery-key-file", lab.recovery, "--new-key-file", lab.key, "--immutable", "1h"]
    check("lock" in lab.run("init", *keys).expect(21).told(), "no reason")
    check(not os.path.exists(lab.recovery), "a key was left")
    swift = StoreLab(swift_place(CEPH), init=False)
    check("lock" in swift.run("init", *keys).expect(21).told(), "no reason")
    plain = s3_place(CEPH, bucket="without-lock")
    plain.client().create_bucket("without-lock")
    check("object lock" in StoreLab(plain, init=False).run("init", *keys).expect(21).told(),
          "no reason")
    check(not os.path.exists(lab.recovery), "a key was left")


@test
def a_copy_elsewhere_is_read_and_not_written():
    lab = LockedLab()
    points = lab.fill(1)
    copy = Lab(init=False)
    client = lab.place.client()
    for name in lab.objects():
        target = os.path.join(copy.repo, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(client.get(lab.place.container, f"{lab.prefix}/{name}").expect(200).body)
    copy.recovery, copy.key = lab.recovery, lab.key
    copy.expect_restores(points)
    check("immutable" in copy.backup(f"disk={lab.path('disk')}").expect(21).told(), "no reason")


@test
def a_thief_of_credentials_and_writer_key_takes_nothing():
    lab = LockedLab()
    points = lab.fill()
    thief = Versions(lab)
    before = repository_versions(thief)
    names = lab.objects()
    ends = {(key, version): thief.end(key, version) for key, version, _ in before}
    refused = (400, 403, 405, 409, 501)
    for key, version, _ in before:
        one = {"versionId": version}
        thief.ask("DELETE", key, one).expect(*refused)
        thief.ask("DELETE", key, one, x_amz_bypass_governance_retention="true").expect(*refused)
        for mode in ("COMPLIANCE", "GOVERNANCE"):
            thief.retain(key, version, mode, 60).expect(*refused)
            thief.retain(key, version, mode, 60,
                         x_amz_bypass_governance_retention="true").expect(*refused)
    body = "".join(f"<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object>"
                   for key, version, _ in before)
    thief.ask("POST", query={"delete": ""}, body=f"<Delete>{body}</Delete>".encode())
    thief.ask("PUT", query={"versioning": ""}, body=(
        f'<VersioningConfiguration xmlns="{XML}"><Status>Suspended</Status>'
        "</VersioningConfiguration>").encode()).expect(*refused)
    thief.ask("DELETE").expect(*refused)
    # What S3 lets a thief do: put other bytes over everything, some locked in turn, and mark all
    # as deleted.
    for number, name in enumerate(names):
        headers = {}
        if number % 3 == 0:
            end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)
            headers = {"x_amz_object_lock_mode": "COMPLIANCE",
                       "x_amz_object_lock_retain_until_date": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
        thief.ask("PUT", f"{lab.prefix}/{name}", body=b"stolen", **headers).expect(200)
        if number % 2:
            thief.ask("DELETE", f"{lab.prefix}/{name}").expect(204)
    # And with the writer's key.
    check("keeper" in lab.run("forget", next(iter(points)), *lab.secret).expect(21).told(), "why")
    lab.run("lock", "extend", "--for", "1s", *lab.secret).expect(0)
    after = set(repository_versions(thief))
    check(after >= set(before), "versions are gone")
    for key, version, _ in before:
        check(thief.end(key, version) >= ends[key, version], f"{key} is locked for less")

    for _ in range(2):
        lab.expect_restores(points)
        lab.begin_anew()
    result = lab.verify_data().expect(0)
    check(b"lock status" in result.err, "nobody was warned")
    check(any("lock status" in note for note in result.json["notes"]), "verify does not tell")
    status = lab.run("lock", "status", "--all", *lab.secret).expect(0).json
    equal({entry["name"] for entry in status["meddled"]}, set(names), "what was meddled with")
    equal((status["unlocked_objects"], status["missing_objects"]), (0, 0), "lock status")

    restored = lab.run("lock", "restore", *lab.secret).expect(0).json
    equal(restored["restored_objects"] + restored["hidden_objects"], len(names), "restored")
    check(restored["hidden_objects"] > 0, "a thief's own locks were broken")
    client, bucket = lab.place.client(), lab.place.container
    hidden = {entry["name"] for entry in lab.run(
        "lock", "status", *lab.secret).expect(0).json["meddled"]}
    equal(len(hidden), restored["hidden_objects"], "hidden")
    for name in names:
        answer = client.get(bucket, f"{lab.prefix}/{name}")
        check((answer.body == b"stolen") == (name in hidden), f"{name} in plain sight")

    # And life goes on.
    change_image(lab.path("disk"), "later", count=6)
    points[lab.backup(f"disk={lab.path('disk')}").expect(0).json["point"]] = digest(
        lab.path("disk"))
    lab.begin_anew()
    lab.expect_restores(points)


@test
def names_that_a_thief_takes_first_cost_no_point():
    lab = LockedLab()
    points = lab.fill()
    thief = Versions(lab)
    entries = sorted(name for name in lab.objects("log/"))
    log, number = entries[-1].rsplit("/", 1)
    for step in range(1, 4):
        thief.ask("PUT", f"{lab.prefix}/{log}/{int(number) + step:016}", body=b"taken").expect(200)
    lab.expect_restores(points)
    result = lab.backup(f"disk={lab.path('disk')}")
    if result.code == 0:
        points[result.json["point"]] = digest(lab.path("disk"))
    lab.begin_anew()
    lab.expect_restores(points)


@test
def prune_waits_for_locks():
    lab = LockedLab()
    points = lab.fill(2)
    keeper = lab.member("keeper", "keeper")
    first = min(points, key=list(points).index)
    keeper.run("forget", first, *keeper.secret).expect(0)
    del points[first]
    held = None
    for _ in range(3):
        before = repository_versions(Versions(lab))
        result = keeper.run("prune", *keeper.secret).expect(0).json
        check(set(repository_versions(Versions(lab))) >= set(before), "something was deleted")
        equal(result["deleted_objects"], 0, "deleted objects")
        held = result
    check(held["locked_objects"] > 0 and held["bytes_locked"] > 0, f"held: {held}")
    check(held["locked_until_ms"] > time.time() * 1000, f"until: {held}")
    lab.expect_restores(points)


@test
def prune_deletes_when_locks_have_ended():
    lab = LockedLab(lock="15s")
    points = lab.fill(2)
    keeper = lab.member("keeper", "keeper")
    first = min(points, key=list(points).index)
    keeper.run("forget", first, *keeper.secret).expect(0)
    del points[first]
    deleted = 0
    packs = set(lab.objects("packs/"))
    for _ in range(12):
        result = keeper.run("prune", *keeper.secret).expect(0).json
        deleted += result["deleted_objects"]
        if deleted and not result["locked_objects"]:
            break
        time.sleep(max(1, (result["locked_until_ms"] or 0) / 1000 - time.time() + 1.1))
    check(deleted > 0, "nothing was ever deleted")
    left = repository_versions(Versions(lab))
    check(not any(is_marker for _, _, is_marker in left), "marks of deletions were left")
    check(packs - set(lab.objects("packs/")), "no pack was deleted")
    lab.expect_restores(points)
    lab.begin_anew()
    lab.expect_restores(points)


@test
def locks_are_extended_for_what_points_need():
    lab = LockedLab()
    points = lab.fill(2)
    keeper = lab.member("keeper", "keeper")
    first = min(points, key=list(points).index)
    keeper.run("forget", first, *keeper.secret).expect(0)
    result = keeper.run("prune", "--extend-locks", *keeper.secret).expect(0).json
    extension = result["lock_extension"]
    check(extension["extended_objects"] > 0 and extension["failed_objects"] == 0, f"{extension}")
    again = keeper.run("lock", "extend", "--for", "3h", *keeper.secret).expect(0).json
    equal((again["extended_objects"], again["failed_objects"]), (again["objects"], 0), "extended")
    thief = Versions(lab)
    locked = [key for key, version, _ in repository_versions(thief)
              if datetime.datetime.fromisoformat(thief.end(key, version)[:19] + "+00:00")
              .timestamp() * 1000 + 2000 > again["until_ms"]]
    equal(len(locked), again["objects"], "objects with longer locks")
    check(len(locked) < len(repository_versions(thief)), "what nobody needs was locked anew")
    status = lab.run("lock", "status", "--all", *lab.secret).expect(0).json
    check(status["first_end_ms"] + 2000 > again["until_ms"], "the first lock ends too early")
    shorter = keeper.run("lock", "extend", "--for", "1h", *keeper.secret).expect(0).json
    # Only what was put since then may be extended.
    check(shorter["failed_objects"] == 0 and shorter["extended_objects"] < 3, f"{shorter}")


main()
