"""
Drives the service as clients in Python do, with the XML-RPC that comes with it, and as older SDKs do by XML-RPC.
Arguments: URL, password of root, an empty folder, what to do. Ends with the number of checks.
"""
import base64
import http.client
import re
import sys
import threading
import time
import urllib.parse
import xmlrpc.client

URL, PASSWORD, FOLDER, PART = sys.argv[1:]
MIB = 1024 * 1024
NULL = "OpaqueRef:NULL"
checks = 0


class Failure(Exception):
    def __init__(self, details):
        super().__init__(details)
        self.details = details


def check(what, holds):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"{what} does not hold")


class Session:
    """What XenAPI.py is: the session goes first, Value comes out."""

    def __init__(self, path="", originator="test"):
        self.server = xmlrpc.client.ServerProxy(URL + path, allow_none=True)
        self.ref = None
        self.ref = self.call_bare("session.login_with_password", "root", PASSWORD, "1.0", originator)

    def call_bare(self, method, *params):
        target = self.server
        for name in method.split("."):
            target = getattr(target, name)
        reply = target(*params)
        if not isinstance(reply, dict) or "Status" not in reply:
            sys.exit(f"{method}: {reply!r}")
        if reply["Status"] == "Success":
            return reply["Value"]
        check("an error is made of texts", all(isinstance(part, str) for part in reply["ErrorDescription"]))
        raise Failure(reply["ErrorDescription"])

    def __call__(self, method, *params):
        return self.call_bare(method, self.ref, *params)

    def refused(self, code, method, *params):
        try:
            self(method, *params)
        except Failure as failure:
            check(f"{method} ends with {code}, not {failure.details}", failure.details[0] == code)
            return failure.details
        sys.exit(f"{method} was answered")

    def settled(self, task):
        while self("task.get_status", task) == "pending":
            time.sleep(0.05)
        status, result = self("task.get_status", task), self("task.get_result", task)
        error = self("task.get_error_info", task)
        self("task.destroy", task)
        return status, result, error


def vdi_record(sr, size, label="disk"):
    return {
        "SR": sr, "virtual_size": str(size), "type": "user", "sharable": False, "read_only": False,
        "other_config": {}, "name_label": label, "name_description": "",
    }


def folder_sr(session, label="folder"):
    pool = session("pool.get_all")[0]
    host = session("pool.get_master", pool)
    return session("SR.create", host, {"location": FOLDER}, "0", label, "", "file", "user", False, {})


def transfer(method, path, body=None, headers=None):
    address = urllib.parse.urlsplit(URL)
    connection = http.client.HTTPConnection(address.hostname, address.port)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response, response.read()


def life():
    session = Session()
    check("methods are a bare list", "VDI.create" in session.server.system.listMethods())
    for name in ("pool", "host", "SR", "VDI", "PBD", "SM", "task", "network", "PIF", "VM"):
        records = session(f"{name}.get_all_records")
        check(f"{name} has records by ref", all(ref.startswith("OpaqueRef:") for ref in records))
    sr = folder_sr(session)
    vdi = session("VDI.create", vdi_record(sr, 4 * MIB, "é ✓ <&>"))
    record = session("VDI.get_record", vdi)
    check("a name is what was given", record["name_label"] == "é ✓ <&>")
    check("numbers come as text", record["virtual_size"] == str(4 * MIB))
    check("so do dates as dates", isinstance(record["snapshot_time"], xmlrpc.client.DateTime))
    check("booleans are such", record["managed"] is True and record["missing"] is False)
    check("maps are maps", record["other_config"] == {} and record["tags"] == [])

    content = bytes(range(256)) * (4 * MIB // 256)
    quoted = urllib.parse.quote(vdi)
    response, _ = transfer("PUT", f"/import_raw_vdi?vdi={quoted}&session_id={session.ref}", content)
    check("an import is taken", response.status == 200)
    task = response.getheader("task-id")
    while session("task.get_status", task) == "pending":
        time.sleep(0.05)
    check("it went well", session("task.get_status", task) == "success")
    cookies = {"cookie": f"session_id={session.ref}; vdi={vdi}"}
    response, body = transfer("GET", "/export_raw_vdi", headers=cookies)
    check("and comes back, by cookies", response.status == 200 and body == content)
    cookies = {"cookie": f"session_id={session.ref}&vdi={vdi}"}
    response, body = transfer("GET", "/export_raw_vdi", headers=cookies)
    check("cookies may be apart by &", body == content)
    basic = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
    uuid = session("VDI.get_uuid", vdi)
    response, body = transfer("GET", f"/export_raw_vdi/?vdi={uuid}", headers={"authorization": f"Basic {basic}"})
    check("and by name and password", response.status == 200 and body == content)
    wrong = base64.b64encode(b"root:no").decode()
    response, _ = transfer("GET", f"/export_raw_vdi?vdi={uuid}", headers={"authorization": f"Basic {wrong}"})
    check("not by a wrong one", response.status == 401 and "Basic" in response.getheader("www-authenticate"))
    response, _ = transfer("GET", f"/export_raw_vdi?vdi={uuid}")
    check("nor without", response.status == 401)

    status, result, _ = session.settled(session("Async.VDI.copy", vdi, sr))
    check("a copy is made", status == "success")
    copy = re.fullmatch(r"<value>(OpaqueRef:[0-9a-f-]+)</value>", result).group(1)
    check("as large as it was", session("VDI.get_virtual_size", copy) == str(4 * MIB))
    status, _, error = session.settled(session("Async.VDI.resize", copy, str(MIB)))
    check("a task that fails says why", status == "failure" and error[0] == "SR_BACKEND_FAILURE_79")
    for ref in (copy, vdi):
        session("VDI.destroy", ref)
    check("a dead ref", session.refused("HANDLE_INVALID", "VDI.get_record", vdi)[1:] == ["VDI", vdi])
    check("a dead uuid", session.refused("UUID_INVALID", "VDI.get_by_uuid", uuid)[1:] == ["VDI", uuid])
    session.refused("MESSAGE_METHOD_UNKNOWN", "VDI.no_such_thing", vdi)
    details = session.refused("MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.resize", vdi)
    check("counts are without the session", details[1:] == ["VDI.resize", "2", "1"])
    session("session.logout")
    check("the session is over", session.refused("SESSION_INVALID", "VDI.get_all")[1:] == [session.ref])


def events():
    session, other = Session(), Session("/RPC2")
    sr = folder_sr(session)
    first = session("event.from", ["VDI", "SR"], "", 5.0)
    check("what is there comes first", any(event["ref"] == sr for event in first["events"]))
    check("counts are numbers", isinstance(first["valid_ref_counts"]["sr"], int))

    got = {}
    waiter = threading.Thread(target=lambda: got.update(session("event.from", ["VDI"], first["token"], 30.0)))
    waiter.start()
    vdi = other("VDI.create", vdi_record(sr, MIB, "seen"))
    waiter.join()
    event = got["events"][0]
    check("a new disk wakes", (event["class"], event["operation"], event["ref"]) == ("vdi", "add", vdi))
    check("and is shown", event["snapshot"]["name_label"] == "seen")
    token = other("event.inject", "VDI", vdi)
    check("a token is two numbers", re.fullmatch(r"\d{20},\d{20}", token))
    other("VDI.destroy", vdi)
    last = session("event.from", ["VDI"], got["token"], 30.0)
    check("a disk that goes is told of", [event["operation"] for event in last["events"]] == ["del"])
    check("without a record", "snapshot" not in last["events"][0])
    quiet = session("event.from", ["VDI"], last["token"], 0.1)
    check("nothing happens", quiet["events"] == [])

    session("event.register", ["sr"])
    heard = []
    listener = threading.Thread(target=lambda: heard.extend(session("event.next")))
    listener.start()
    while not heard and listener.is_alive():
        other("SR.set_name_description", sr, str(time.time()))
        listener.join(0.1)
    check("the old way works too", heard[0]["class"] == "sr" and heard[0]["ref"] == sr)

    ended = []

    def wait():
        try:
            session("event.from", ["VDI"], last["token"], 30.0)
        except Failure as failure:
            ended.append(failure.details[0])

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.2)
    other.call_bare("session.logout", session.ref)
    waiter.join()
    check("logging out ends what waits", ended == ["SESSION_INVALID"])


def packer():
    session = Session("/", "packer")
    host = session("session.get_this_host", session.ref)
    check("there is a version", "xapi" in session("host.get_software_version", host))
    pool = session("pool.get_all")[0]
    session("pool.get_default_SR", pool)
    check("its host is the master", session("pool.get_master", pool) == host)
    session("network.get_all_records")
    sr = folder_sr(session)
    vdi = session("VDI.create", vdi_record(sr, MIB, "packer disk"))
    uuid = session("VDI.get_uuid", vdi)
    check("by its uuid", session("VDI.get_by_uuid", uuid) == vdi)
    check("by its name", session("VDI.get_by_name_label", "packer disk") == [vdi])
    task = session("task.create", "vdi.create", "by packer")
    path = f"/import_raw_vdi?vdi={urllib.parse.quote(vdi)}&session_id={session.ref}&task_id={task}"
    response, _ = transfer("PUT", path, b"x" * MIB)
    check("the upload is taken", response.status == 200)
    status, result, error = session.settled(task)
    check("and went well", status == "success" and vdi in result and error == [])
    session.refused("XENAPI_MISSING_PLUGIN", "host.call_plugin", host, "transfer", "expose", {})
    session("VDI.destroy", vdi)


def cloudstack():
    session = Session("/", "cloudstack")
    pool = session("pool.get_all")[0]
    session("pool.get_record", pool)
    for record in session("host.get_all_records").values():
        # It would take a host only for machines to run on; of this one it is told the truth.
        version = record["software_version"]
        check("a brand", version["product_brand"] == "Rootcast")
        check("a version that it compares", float(".".join(version["product_version"].split(".")[:2])) >= 6.4)
        check("no virtual machines", not any("hvm" in capability for capability in record["capabilities"]))
    host = session("session.get_this_host", session.ref)
    check("the host is enabled", session("host.get_enabled", host) is True)
    check("by its uuid", session("host.get_by_uuid", session("host.get_uuid", host)) == host)

    # Secondary storage: SR.introduce by a uuid of its own, PBD.create, plug, scan.
    uuid = "3fe2a1c0-8c6b-4b6e-9d0a-5a1b2c3d4e5f"
    sr = session("SR.introduce", uuid, uuid, uuid, "file", "file", False, {})
    check("the uuid is its own", session("SR.get_uuid", sr) == uuid)
    session.refused("SR_UUID_EXISTS", "SR.introduce", uuid, uuid, uuid, "file", "file", False, {})
    pbd = session("PBD.create", {"host": host, "SR": sr, "device_config": {"location": FOLDER}})
    session("PBD.plug", pbd)
    session("PBD.plug", pbd)
    session("SR.scan", sr)
    check("by its name", session("SR.get_by_name_label", uuid) == [sr])
    check("its PBD", session("SR.get_PBDs", sr) == [pbd])
    vdi = session("VDI.create", vdi_record(sr, 2 * MIB, "volume"))
    snapshot = session("VDI.snapshot", vdi)
    status, result, _ = session.settled(session("Async.VDI.copy", snapshot, sr))
    check("a full copy", status == "success")
    backup = re.search("OpaqueRef:[0-9a-f-]+", result).group(0)
    later = session("VDI.snapshot", vdi)
    status, result, _ = session.settled(session("Async.VDI.copy", later, sr, snapshot, NULL))
    check("a copy over the snapshot before", status == "success")
    check("sizes", int(session("VDI.get_physical_utilisation", backup)) >= 0)
    session("VDI.set_name_label", backup, "backup")
    check("nothing is under way", session("SR.get_current_operations", sr) == {})
    for ref in session("SR.get_VDIs", sr):
        session("VDI.destroy", ref)
    session("PBD.unplug", pbd)
    session("SR.forget", sr)
    session.refused("HANDLE_INVALID", "SR.get_record", sr)


{"life": life, "events": events, "packer": packer, "cloudstack": cloudstack}[PART]()
print(f"{checks} checks")
