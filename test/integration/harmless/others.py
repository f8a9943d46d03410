"""Another client's part, by Impacket or smbprotocol. Reads one JSON job from standard input, answers one JSON line."""
import json
import sys


def impacket_client(job):
    from impacket.smbconnection import SMBConnection

    connection = SMBConnection("127.0.0.1", "127.0.0.1", sess_port=job["port"])
    connection.login(job["username"], job["password"], job["domain"])
    share = job["share"]

    def deltree(path):
        for entry in connection.listPath(share, path + "/*"):
            name = entry.get_longname()
            if name in (".", ".."):
                continue
            if entry.is_directory():
                deltree(path + "/" + name)
            else:
                connection.deleteFile(share, path + "/" + name)
        connection.deleteDirectory(share, path)

    return {
        "mkdir": lambda path: connection.createDirectory(share, path),
        "rmdir": lambda path: connection.deleteDirectory(share, path),
        "rm": lambda path: connection.deleteFile(share, path),
        "rename": lambda old, new: connection.rename(share, old, new),
        "deltree": deltree,
    }


def smbprotocol_client(job):
    import smbclient
    import smbclient.shutil

    smbclient.register_session(
        "127.0.0.1", username=job["username"], password=job["password"], port=job["port"], auth_protocol="ntlm"
    )

    def path_of(path):
        return "\\\\127.0.0.1\\" + job["share"] + "\\" + path.replace("/", "\\")

    def on(function):
        return lambda *paths: function(*map(path_of, paths), port=job["port"])

    return {
        "mkdir": on(smbclient.mkdir),
        "rmdir": on(smbclient.rmdir),
        "rm": on(smbclient.remove),
        "rename": on(smbclient.rename),
        "deltree": on(smbclient.shutil.rmtree),
    }


job = json.load(sys.stdin)
client = {"impacket": impacket_client, "smbprotocol": smbprotocol_client}[sys.argv[1]](job)
refused = []
for steps in job["rounds"]:
    for name, *paths in steps:
        try:
            client[name](*paths)
        except Exception as error:
            refused.append(f"{name} {' '.join(paths)}: {error}")
            break
print(json.dumps({"refused": refused}))
