"""
Calls a server that echoes, by Python's own XML-RPC client and by JSON-RPC, and checks that every value comes back
as what the datamodel says of its type. Prints how many calls it made.
"""
import datetime
import http.client
import json
import random
import re
import sys
import xmlrpc.client

PORT = int(sys.argv[1])
calls = 0


def check(what, got, expected):
    global calls
    calls += 1
    if type(got) is not type(expected) or got != expected:
        sys.exit(f"{what}: {got!r} instead of {expected!r}")


def xml(path):
    return xmlrpc.client.ServerProxy(f"http://127.0.0.1:{PORT}{path}", allow_none=True)


def success(value):
    return {"Status": "Success", "Value": value}


TEXT = "<a b=\"c\"> & 'é✓😀' \t\n \\ ]]> &amp;"
DATE = xmlrpc.client.DateTime("20261128T10:11:12Z")

for path in ("/", "/RPC2", "/xmlrpc"):
    server = xml(path)
    check("a string", server.echo.string(TEXT), success(TEXT))

server = xml("/")
check("no text", server.echo.string(""), success(""))
check("blanks", server.echo.string("  "), success("  "))
# Integers have 64 bits and come as text.
check("an int", server.echo.int(-5), success("-5"))
check("an int as text", server.echo.int("9007199254740991"), success("9007199254740991"))
check("an int of 32 bits", server.echo.int32(2**31 - 1), success(2**31 - 1))
check("a float", server.echo.float(0.1), success(0.1))
check("a float of an int", server.echo.float(3), success(3.0))
check("a small float", server.echo.float(1.5e-300), success(1.5e-300))
check("a third", server.echo.float(1 / 3), success(0.3333333333333333))
check("true", server.echo.bool(True), success(True))
check("false", server.echo.bool(False), success(False))
check("a date", server.echo.datetime(DATE), success(DATE))
check(
    "a date of Python's",
    server.echo.datetime(datetime.datetime(2026, 11, 28, 10, 11, 12)),
    success(DATE),
)
check("a date as text", server.echo.datetime("2026-11-28T11:11:12+01:00"), success(DATE))
check("nothing", server.echo.void(None), success(""))
check("a set", server.echo.set(["a", "", "<&>"]), success(["a", "", "<&>"]))
check("an empty set", server.echo.set(()), success([]))
check("a map", server.echo.map({"k<&>": "v", "": "", "__proto__": "p"}),
      success({"k<&>": "v", "": "", "__proto__": "p"}))
check("an empty map", server.echo.map({}), success({}))
check("an enumeration", server.echo.enum("USER"), success("user"))
check("a record", server.echo.record({"size": 2, "name": "n", "more": [1]}),
      success({"name": "n", "size": "2"}))
check("a record with all", server.echo.record({"size": "2", "name": "n", "at": DATE}),
      success({"name": "n", "size": "2", "at": DATE}))

many = {f"OpaqueRef:{i}": {"name": TEXT, "size": i} for i in range(100)}
check("many records", server.echo.records(many),
      success({ref: {"name": TEXT, "size": str(record["size"])} for ref, record in many.items()}))
check("long answers", len(server.long()["Value"]), 20000)

check("a failure", server.fail(), {"Status": "Failure", "ErrorDescription": ["HANDLE_INVALID", "VDI", TEXT]})
check("a wrong date", server.echo.datetime("x"), {"Status": "Failure", "ErrorDescription": ["INVALID_VALUE", "x"]})
check("a wrong type", server.echo.string(5)["ErrorDescription"][0], "INTERNAL_ERROR")
check("all methods", server.system.listMethods(), ["echo.string", "fail"])

for bad in (xmlrpc.client.Binary(b"x"), float("nan")):
    try:
        server.echo.string(bad)
        sys.exit(f"{bad!r} was accepted")
    except xmlrpc.client.ProtocolError as error:
        check("what is no value", error.errcode, 500)

# Two calls on one connection.
connection = http.client.HTTPConnection("127.0.0.1", PORT)


def by_json(method, params, version):
    call = {"method": method, "params": params, "id": "a"}
    if version == 2:
        call["jsonrpc"] = "2.0"
    connection.request("POST", "/jsonrpc", json.dumps(call))
    response = connection.getresponse()
    check("the content type", response.getheader("content-type"), "application/json")
    return json.loads(response.read())


for name, value, expected in (
    ("string", TEXT, TEXT),
    ("int", -5, -5),
    ("int", "12", 12),
    ("int32", 12, 12),
    ("float", 3, 3.0),
    ("float", 0.1 + 0.2, 0.1 + 0.2),
    ("bool", True, True),
    ("datetime", "20261128T10:11:12", "20261128T10:11:12Z"),
    ("void", None, ""),
    ("set", ["a"], ["a"]),
    ("map", {"__proto__": "p", "k": TEXT}, {"__proto__": "p", "k": TEXT}),
    ("record", {"name": "n", "size": 2, "at": None}, {"name": "n", "size": 2}),
):
    check(name, by_json(f"echo.{name}", [value], 1), {"result": expected, "error": None, "id": "a"})
    check(name, by_json(f"echo.{name}", [value], 2), {"jsonrpc": "2.0", "result": expected, "id": "a"})
check("a failure", by_json("fail", [], 1),
      {"result": None, "error": ["HANDLE_INVALID", "VDI", TEXT], "id": "a"})
check("a failure", by_json("fail", [], 2),
      {"jsonrpc": "2.0", "error": {"code": 1, "message": "HANDLE_INVALID", "data": ["VDI", TEXT]}, "id": "a"})

# Doubles are written as C's printf does: what comes back is compared as text.
chance = random.Random(int(sys.argv[2]))
doubles = [chance.uniform(-1, 1) * 10 ** chance.randint(-320, 308) for _ in range(500)]
doubles += [chance.randint(-(10**17), 10**17) / 10 ** chance.randint(0, 20) for _ in range(500)]
connection.request("POST", "/", xmlrpc.client.dumps((doubles,), "echo.floats"))
written = re.findall("<double>(.*?)</double>", connection.getresponse().read().decode())
check("doubles", len(written), len(doubles))
for value, text in zip(doubles, written):
    check("a double", text, "%.16g" % value)

print(calls)
