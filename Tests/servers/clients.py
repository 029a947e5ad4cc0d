"""Small clients for looking at servers independently of the program under test."""
import datetime
import hashlib
import hmac
import http.client
import json
import ssl
import urllib.parse
import xml.etree.ElementTree

UNRESERVED = "-._~"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        return self.headers.get(name.lower())

    def expect(self, *statuses):
        if self.status not in statuses:
            raise RuntimeError(f"status {self.status}, not {statuses}: {self.body[:300]!r}")
        return self


def send(url, method, target, headers=None, body=b"", ca=None, timeout=60):
    """One request on a connection of its own, without redirects or repeats."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout,
                                                 context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, target, body=body or None, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class S3Client:
    """S3 with signatures of version 4, path style."""

    def __init__(self, url, access_key, secret_key, region="us-east-1", ca=None, timeout=60):
        self.url, self.access_key, self.secret_key = url.rstrip("/"), access_key, secret_key
        self.region, self.ca, self.timeout = region, ca, timeout

    def request(self, method, bucket, key="", query=None, headers=None, body=b"", payload=None):
        """`payload` replaces the body's digest, for instance by `UNSIGNED-PAYLOAD`."""
        path = "/" + bucket + ("/" + key if key else "")
        path = urllib.parse.quote(path, safe="/" + UNRESERVED)
        query = "&".join(sorted(
            f"{urllib.parse.quote(k, safe=UNRESERVED)}={urllib.parse.quote(str(v), safe=UNRESERVED)}"
            for k, v in (query or {}).items()))
        headers = {k.lower(): v for k, v in (headers or {}).items()}
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        headers["host"] = urllib.parse.urlsplit(self.url).netloc
        headers["x-amz-date"] = now
        headers["x-amz-content-sha256"] = payload or hashlib.sha256(body).hexdigest()
        signed = ";".join(sorted(headers))
        canonical = "\n".join(
            [method, path, query, *(f"{k}:{headers[k].strip()}" for k in sorted(headers)), "",
             signed, headers["x-amz-content-sha256"]])
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        secret = ("AWS4" + self.secret_key).encode()
        for part in scope.split("/"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        signature = hmac.digest(secret, text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={signed}, "
            f"Signature={signature}")
        return send(self.url, method, path + ("?" + query if query else ""), headers, body,
                    self.ca, self.timeout)

    def create_bucket(self, bucket):
        self.request("PUT", bucket).expect(200, 409)

    def put(self, bucket, key, body, **headers):
        return self.request("PUT", bucket, key, body=body,
                            headers={k.replace("_", "-"): v for k, v in headers.items()})

    def get(self, bucket, key):
        return self.request("GET", bucket, key)

    def delete(self, bucket, key):
        return self.request("DELETE", bucket, key)

    def list(self, bucket, prefix=""):
        """Names and sizes of all objects."""
        found, query = {}, {"list-type": "2", "prefix": prefix}
        while True:
            root = xml.etree.ElementTree.fromstring(
                self.request("GET", bucket, query=query).expect(200).body)
            space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
            for entry in root.findall(f"{space}Contents"):
                found[entry.findtext(f"{space}Key")] = int(entry.findtext(f"{space}Size"))
            if root.findtext(f"{space}IsTruncated") != "true":
                return found
            query["continuation-token"] = root.findtext(f"{space}NextContinuationToken")


class SwiftClient:
    """Swift's own API with its first kind of authentication, or with a token from elsewhere."""

    def __init__(self, auth_url=None, user=None, key=None, storage_url=None, token=None):
        if auth_url:
            parts = urllib.parse.urlsplit(auth_url)
            answer = send(auth_url, "GET", parts.path,
                          {"X-Auth-User": user, "X-Auth-Key": key}).expect(200, 204)
            storage_url, token = answer.header("x-storage-url"), answer.header("x-auth-token")
        self.url, self.token = storage_url.rstrip("/"), token
        self.base = urllib.parse.urlsplit(self.url).path

    def request(self, method, name, headers=None, body=b"", query=""):
        target = self.base + ("/" + urllib.parse.quote(name) if name else "")
        return send(self.url, method, target + ("?" + query if query else ""),
                    {"X-Auth-Token": self.token, **(headers or {})}, body)

    def list(self, container, prefix=""):
        found, marker = {}, ""
        while True:
            query = urllib.parse.urlencode(
                {"format": "json", "prefix": prefix, "marker": marker})
            page = json.loads(self.request("GET", container, query=query).expect(200).body)
            if not page:
                return found
            found.update((entry["name"], entry["bytes"]) for entry in page)
            marker = page[-1]["name"]
