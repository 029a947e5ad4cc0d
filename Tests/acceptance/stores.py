"""Repositories in every kind of object store that the tests can run, plain and behind TLS."""
import subprocess

from object_stores import *

KEYSTONE = Keystone()
CEPH, SWIFT, RCLONE, _ = run_servers(Ceph(), Swift(keystone=KEYSTONE), Rclone(), KEYSTONE)
FRONTS = {server: run_servers(TLSFront(server.port))[0] for server in (CEPH, SWIFT, RCLONE)}


def places():
    """All ways to name a store."""
    found = {}
    for name, server in (("ceph", CEPH), ("swift_s3", SWIFT), ("rclone", RCLONE)):
        found[name] = s3_place(server)
        found[f"{name}_tls"] = s3_place(server, FRONTS[server].url(),
                                        authority=FRONTS[server].authority)
    for name, server in (("ceph_swift", CEPH), ("swift", SWIFT)):
        found[name] = swift_place(server)
        found[f"{name}_tls"] = swift_place(server, FRONTS[server].url(),
                                           authority=FRONTS[server].authority)
    return found


def for_each(table):
    """Registers the test once for each entry, and with its name."""
    def register(function):
        for name, entry in table.items():
            def run(entry=entry):
                function(entry)
            run.__name__ = f"{function.__name__}_{name}"
            test(run)
        return function
    return register


@for_each(places())
def conformance(place):
    lab = StoreLab(place, init=False)
    run = subprocess.run([LABORATORY, "conformance", lab.repo], capture_output=True, timeout=300,
                         env=lab.environment(), stdin=subprocess.DEVNULL)
    lines = run.stdout.decode().splitlines()
    bad = [line for line in lines if line.startswith("not ok")]
    good = [line for line in lines if line.startswith("ok")]
    check(run.returncode == 0 and not bad,
          f"exit {run.returncode}: {bad or run.stderr[-400:].decode()}")
    check(len(good) >= 10, f"only {len(good)} checks")
    equal(lab.objects(), {}, "what the checks left in the store")
    lab.printed.append(run.stdout + run.stderr)
    lab.check_secrecy()


@for_each(places())
def a_repository_lives(place):
    """init, two backups, restore, forget, prune, verify; another host; no secret anywhere."""
    with ProcessWatch(place.secrets()) as watch:
        lab = StoreLab(place)
        keeper = lab.member("keeper", "keeper")
        image = make_image(lab.path("disk"), 12 * MIB, 1)
        points = {lab.backup(f"disk={image}").expect(0).json["point"]: digest(image)}
        first = next(iter(points))
        change_image(image, 1)
        points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
        lab.expect_restores(points)
        lab.verify_data().expect(0)
        packs = len(lab.objects("packs/"))
        check(packs > 0, "no packs in the store")
        keeper.run("forget", first, *keeper.secret).expect(0)
        for _ in range(4):
            keeper.run("prune", "--max-unused", "0", *keeper.secret).expect(0)
        del points[first]
        equal([point["id"] for point in lab.points()], list(points), "points")
        lab.clean_caches()
        lab.expect_restores(points)
        lab.verify_data().expect(0)
        equal(lab.init().code, 14, "exit code of a second init")
    check(watch.looked > 0, "no command line was seen")
    equal(watch.found, [], "command lines with a secret")
    lab.check_secrecy()
    keeper.check_secrecy()


def keystone_places():
    password = KEYSTONE.password_environment()
    found = {
        "password": password,
        "application_credential": KEYSTONE.application_credential_environment()}
    return {name: Place("swift", f"swift:{name}", variables) for name, variables in found.items()}


@for_each(keystone_places())
def keystone(place):
    lab = StoreLab(place)
    image = make_image(lab.path("disk"), 4 * MIB, 1)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    lab.expect_restores({point: digest(image)})
    check(place.secrets(), "no secret to look for")
    lab.check_secrecy()
    kind = "OS_PASSWORD" if "OS_PASSWORD" in place.variables else "OS_APPLICATION_CREDENTIAL_SECRET"
    result = lab.run("points", *lab.secret, env={kind: "wrong-secret-of-keystone"})
    equal(result.code, 25, f"exit code with a wrong secret ({result.told()[:300]})")
    check("wrong-secret-of-keystone" not in result.told(), "the wrong secret is told")


@test
def tokens_end_and_are_renewed():
    """A token that lives for five seconds; the store is used for longer than that."""
    server = run_servers(Swift(token_life=5))[0]
    lab = StoreLab(swift_place(server))
    proxy = FaultProxy(server.port).start()
    lab.cleanups.append(proxy.stop)
    proxy.add("delay", match="^(PUT|GET) /v1", milliseconds=700)
    variables = {"ST_AUTH": server.auth_url.replace(server.url, proxy.url)}
    image = make_image(lab.path("disk"), 4 * MIB, 1)
    point = lab.backup(f"disk={image}", env=variables).expect(0).json["point"]
    lab.expect_restores({point: digest(image)})
    asked = [line for _, line in proxy.decisions.history if "/v1" in line]
    check(asked, "nothing went through the proxy")


MISTAKES = {
    # What is wrong: variables, certificate, authority, exit code, words of the message.
    "wrong_authority": ({}, "right", "other_authority", 21, "no authority that is trusted"),
    "wrong_name": ({}, "wrong-name", "authority", 21, "another name"),
    "expired": ({}, "expired", "authority", 21, "not valid at this time"),
    "no_such_file": ({}, "right", "missing.pem", 21, "cannot be read"),
    "wrong_secret": ({"AWS_SECRET_ACCESS_KEY": "wrong-secret-of-s3", "ST_KEY": "wrong-key-of-swift"},
                     "right", "authority", 25, ""),
    "unknown_user": ({"AWS_ACCESS_KEY_ID": "nobody", "ST_USER": "test:nobody"},
                     "right", "authority", 25, ""),
    "no_secret": ({"AWS_SECRET_ACCESS_KEY": "", "ST_KEY": ""}, "right", "authority", (2, 25), ""),
}


def mistake(place, variables, code, words):
    lab = StoreLab(place, init=False, variables=variables)
    # Keys that fit some repository, so that they are not what is wrong.
    there, lab.repo = lab.repo, lab.path("elsewhere")
    lab.init().expect(0)
    lab.repo = there
    for arguments in (["points", *lab.secret],
                      ["init", "--recovery-key-file", lab.path("r2"), "--new-key-file",
                       lab.path("k2")]):
        result = lab.run(*arguments, env={"HOME": lab.root}, timeout=60)
        codes = code if isinstance(code, tuple) else (code,)
        check(result.code in codes, f"{arguments[0]}: exit {result.code}: {result.told()[:300]}")
        check(words in result.told(), f"{arguments[0]} says {result.told()[:300]}")
        check(result.error.get("advice"), f"no advice: {result.told()[:300]}")
        for name in ("AWS_SECRET_ACCESS_KEY", "ST_KEY"):
            if variables.get(name):
                check(variables[name] not in result.told(), "the wrong secret is told")
    lab.check_secrecy()
    check(not os.path.exists(lab.path("r2")), "a recovery key was left behind")


@for_each(MISTAKES)
def mistakes_on_s3(entry):
    variables, certificate, authority, code, words = entry
    front = FRONTS[CEPH]
    authority = getattr(front, authority, None) or front.path(authority)
    mistake(s3_place(CEPH, front.url(certificate), authority=authority), variables, code, words)


@for_each(MISTAKES)
def mistakes_on_swift(entry):
    variables, certificate, authority, code, words = entry
    front = FRONTS[SWIFT]
    authority = getattr(front, authority, None) or front.path(authority)
    mistake(swift_place(SWIFT, front.url(certificate), authority=authority), variables, code, words)


@test
def every_mistake_is_told_apart():
    """Nobody listens, no repository there, no bucket: three different errors."""
    lab = StoreLab(s3_place(CEPH))
    told = {}
    for name, repo, code in (
            ("port", f"s3:http://127.0.0.1:{free_port()}/bucket/prefix", 11),
            ("repository", s3_place(CEPH).location("elsewhere"), 10),
            ("bucket", s3_place(CEPH, bucket="no-such-bucket").location("prefix"), (10, 13))):
        lab.repo = repo
        result = lab.run("points", *lab.secret, timeout=120)
        codes = code if isinstance(code, tuple) else (code,)
        check(result.code in codes, f"{name}: exit {result.code}: {result.told()[:300]}")
        told[name] = f"{result.error['message']}; {result.error.get('cause')}"
    equal(len(set(told.values())), 3, f"different errors: {told}")


@test
def credentials_in_the_location_are_refused():
    lab = StoreLab(s3_place(CEPH), init=False)
    for repo in (CEPH.url.replace("://", "://key:secret-in-the-location@") + "/bucket/prefix",
                 CEPH.url + "/bucket/prefix?secret=secret-in-the-location"):
        lab.repo = "s3:" + repo
        result = lab.run("points", "--recovery-key-file", lab.recovery)
        equal(result.code, 2, f"exit code ({result.told()[:200]})")
        check("secret-in-the-location" not in result.told(), "the secret is repeated")


main()
