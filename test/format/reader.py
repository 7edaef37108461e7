#!/usr/bin/python3
"""A second reader of the Terp repository format, versions 1 and 2, written from docs/format.md alone; § are its sections.

    reader.py POOL (--passphrase-file F | --key-file F [--word-list F]) COMMAND
    list                    all recovery points, as JSON
    entries POINT           all entries of one, a line of JSON each; with --content also the SHA-256 of each file
    extract POINT PATH      the content of one file, to standard output
"""
import argparse, base64, hashlib, hmac, json, os, struct, sys
import zstandard
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TYPES = ["file", "folder", "symlink", "fifo", "character-device", "block-device", "socket"]
DATA, PAGE, LIST = 1, 2, 3


IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
MIXED = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8


def compress(value, block, counter, flags):
    m = struct.unpack("<16I", block.ljust(64, b"\0"))
    v = [*value, *IV[:4], counter & 0xFFFFFFFF, counter >> 32, len(block), flags]
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(MIXED):
            for word, right, later in ((m[2 * i], 16, 12), (m[2 * i + 1], 8, 7)):
                v[a] = (v[a] + v[b] + word) & 0xFFFFFFFF
                v[d] ^= v[a]
                v[d] = (v[d] >> right | v[d] << 32 - right) & 0xFFFFFFFF
                v[c] = (v[c] + v[d]) & 0xFFFFFFFF
                v[b] ^= v[c]
                v[b] = (v[b] >> later | v[b] << 32 - later) & 0xFFFFFFFF
        m = tuple(m[i] for i in PERMUTATION)
    return tuple(v[i] ^ v[i + 8] for i in range(8))


def blake3_leaf(data, counter, root):
    value = IV
    blocks = [data[at:at + 64] for at in range(0, len(data), 64)] or [b""]
    for i, block in enumerate(blocks):
        flags = (CHUNK_START if i == 0 else 0) | (CHUNK_END | root if i == len(blocks) - 1 else 0)
        value = compress(value, block, counter, flags)
    return value


def blake3(data):  # §3
    leaves = [data[at:at + 1024] for at in range(0, len(data), 1024)] or [b""]
    level = [blake3_leaf(leaf, i, ROOT if len(leaves) == 1 else 0) for i, leaf in enumerate(leaves)]
    while len(level) > 1:
        flags = PARENT | (ROOT if len(level) == 2 else 0)
        pairs = [level[i:i + 2] for i in range(0, len(level), 2)]
        level = [compress(IV, struct.pack("<16I", *pair[0], *pair[1]), 0, flags) if len(pair) == 2 else pair[0] for pair in pairs]
    return struct.pack("<8I", *level[0])


HASHES = {"sha256": lambda data: hashlib.sha256(data).digest(), "blake3": blake3}

class Damaged(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Damaged(what)


def hkdf(key, salt, info, length):  # §3
    return HKDF(hashes.SHA256(), length, salt, info).derive(key)


def committed(key, salt, info, commitment, what):  # the commitment first, then the key counts
    keys = hkdf(key, salt, info, 64)
    check(hmac.compare_digest(keys[32:], commitment), f"the key commitment of {what} is wrong")
    return keys[:32]


def unseal(key, counter, sealed, associated, what):
    try:
        return AESGCM(key).decrypt(counter.to_bytes(12, "little"), sealed, associated)
    except InvalidTag:
        raise Damaged(f"{what} is not authentic") from None


class Cursor:  # §3
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        check(self.at + n <= len(self.data), "a value runs past the end")
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def varints(self, n):
        return [self.varint() for _ in range(n)]

    def time(self):
        value = self.varint()
        return [value >> 1 ^ -(value & 1), self.varint()]

    def bytes(self):
        return self.take(self.varint())

    def ids(self):
        return [self.take(32) for _ in range(self.varint())]

    def extents(self, chunks):  # §9.2: kind, chunk, offset, length
        return [(kind := self.take(1)[0], kind and chunks[self.varint()], kind == 1 and self.varint(), self.varint())
                for _ in range(self.varint())]

    def end(self, result):
        check(self.at == len(self.data), "bytes follow the last value")
        return result


def two_lines(*paths):  # §4, §5: the first of two equal copies whose second line is right
    for path in filter(os.path.exists, paths):
        line, digest, *rest = open(path, "rb").read().split(b"\n") + [b""]
        if rest[:1] == [b""] and hashlib.sha256(line).hexdigest().encode() == digest:
            return json.loads(line)
    raise Damaged(f"no good copy of {paths[0]}")


def key_file_secret(data, word_list):  # §5
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data
    if any(ord(c) < 9 or 13 < ord(c) < 32 for c in text):
        return data
    words = " ".join(line for line in text.splitlines() if not line.startswith("#")).lower().split()
    if not word_list or len(words) != 24:
        return text.strip().encode()
    bits = 0
    for word in words:
        bits = bits << 11 | open(word_list).read().split().index(word)
    entropy = (bits >> 8).to_bytes(32, "big")
    check(hashlib.sha256(entropy).digest()[0] == bits & 255, "the checksum of the words is wrong")
    return entropy


class Pool:
    def __init__(self, folder, passphrase, secret):
        self.folder, self.packs, self.last, self.where = folder, {}, None, None
        self.format = two_lines(self.path("FORMAT"), self.path("FORMAT.copy"))
        check(self.format["format"] == "terp-repository" and self.format["min_reader"] <= 2, "unknown format")
        self.repo = bytes.fromhex(self.format["repository_id"])
        bundle = self.open_slot(passphrase, secret)
        self.id_key = bundle[32:64]
        self.data_key, self.meta_key = (hkdf(bundle[:32], b"", b"terp/1/" + use, 32) for use in (b"data", b"meta"))

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def open_slot(self, passphrase, secret):  # §5
        for name in sorted({name.split(".")[0] for name in os.listdir(self.path("keys"))}):
            slot = two_lines(self.path("keys", name + ".key"), self.path("keys", name + ".copy"))
            kdf = slot["kdf"]
            if (kdf["name"] == "argon2id") != (slot["kind"] == "passphrase") or (slot["kind"] == "passphrase") != bool(passphrase):
                continue
            salt, ikm, text = base64.b64decode(kdf["salt"]), secret, f"none,{kdf['salt']}"
            if passphrase:
                costs = kdf["memory_kib"], kdf["passes"], kdf["parallelism"]
                check(65536 <= costs[0] <= 1048576 and 3 <= costs[1] <= 10 and costs[2] == 1, "costs out of bounds")
                ikm = hash_secret_raw(passphrase, salt, costs[1], costs[0], costs[2], 32, Type.ID, 0x13)
                text = "argon2id,%d,%d,%d," % costs + kdf["salt"]
            try:
                key = committed(ikm, salt, b"terp/1/slot", base64.b64decode(slot["commit"]), "slot")
            except Damaged:
                continue
            associated = "\n".join(["terp/1/slot", self.format["repository_id"], slot["slot"], slot["kind"], text]).encode()
            return unseal(key, 0, base64.b64decode(slot["wrapped"]), associated, f"key slot {name}")
        raise Damaged("this secret opens no key slot")

    def sealed(self, name, kind, place, digest):  # §10
        data = open(self.path(name), "rb").read()
        check(HASHES[self.format.get("object_hash", "sha256")](data).hex() == digest, f"the checksum of {name} is wrong")
        check(data[:16] == b"TERPOBJ1\1" + bytes([kind]) + bytes(6), f"{name} begins wrongly")
        key = committed(self.meta_key, data[16:48], b"terp/1/object", data[48:80], name)
        p, b = struct.unpack_from("<II", data, 80)
        public, body = data[88:88 + p], data[88 + p:88 + p + b]
        associated = b"terp/1/object" + self.repo + bytes([kind]) + place.encode() + b"\0" + public
        return key, public, unseal(key, 0, body, associated, name), data[88 + p + b:]

    def points(self):  # §11
        for source in sorted(os.listdir(self.path("points"))):
            for name in sorted(os.listdir(self.path("points", source))):
                place = f"points/{source}/{name[:10]}"
                _, public, body, rest = self.sealed(f"points/{source}/{name}", 2, place, name[11:75])
                public, body = json.loads(public), json.loads(body)
                named = hmac.digest(self.id_key, b"terp/1/source" + body["source"].encode(), "sha256")[:16].hex()
                check(source == public["source"] == named and public["id"] == body["id"] and not rest, f"{name} contradicts itself")
                check(int(name[:10]) == public["sequence"] == body["sequence"], f"{name} has another number")
                yield body

    def segment(self, name):  # §8
        key, _, body, blocks = self.sealed(f"index/{name}", 1, "index", name[:64])
        p, r, per_block, q = struct.unpack_from("<IIII", body)
        check(len(body) == 16 + 36 * p + 32 * q + 32 * -(-r // per_block), "a segment has a wrong length")
        packs, places = [body[16 + 36 * i:48 + 36 * i].hex() for i in range(p)], []
        for k in range(-(-r // per_block)):
            size = min(per_block, r - k * per_block) * 46
            block = unseal(key, k + 1, blocks[:size + 16], b"terp/1/index" + self.repo + struct.pack("<I", k), "index block")
            blocks = blocks[size + 16:]
            for at in range(0, size, 46):
                pack, offset, stored, length = (int.from_bytes(block[at + i:at + j], "little")
                                                for i, j in ((32, 35), (35, 39), (39, 42), (42, 45)))
                kinds = block[at + 45]
                places.append((block[at:at + 32], (packs[pack], offset, stored, length, kinds & 15, kinds >> 4)))
        check(not blocks, "bytes follow the last index block")
        return packs, places

    def pack(self, name):  # §6.1
        if name not in self.packs:
            file = open(self.path("packs", name[:2], f"{name}.pack"), "rb")
            head = file.read(80)
            check(head[:9] == b"TERPPACK\1" and head[9] in (1, 2) and head[10:16] == bytes(6), f"pack {name} begins wrongly")
            parent = self.data_key if head[9] == 1 else self.meta_key
            self.packs[name] = file, head, committed(parent, head[16:48], b"terp/1/pack", head[48:80], f"pack {name}")
        return self.packs[name]

    def directory(self, name):  # §6.2
        file, head, key = self.pack(name)
        file.seek(-32, os.SEEK_END)
        d, n, zero, end = struct.unpack("<QQQ8s", file.read(32))
        check(end == b"TERPEND1" and zero == 0 and file.tell() == d + n + 32, f"pack {name} ends wrongly")
        file.seek(d)
        plain = unseal(key, 0xFFFFFFFF, file.read(n), b"terp/1/directory" + self.repo + head, f"directory of pack {name}")
        records = (struct.unpack_from("<32sIIIBB", plain, 4 + 48 * i) for i in range(struct.unpack_from("<I", plain)[0]))
        return [(record[0], (name, *record[1:])) for record in records]

    def load_index(self):  # §8: the index is a cache of the directories
        self.where, listed, places = {}, set(), []
        for name in sorted(os.listdir(self.path("index"))):
            try:
                packs, found = self.segment(name)
                listed.update(packs)
                places += found
            except Damaged as damage:
                print(f"reader: {damage}; the packs are read instead", file=sys.stderr)
        for folder in sorted(os.listdir(self.path("packs"))):
            for name in sorted(os.listdir(self.path("packs", folder))):
                places += [] if name[:64] in listed else self.directory(name[:64])
        for chunk, place in places:
            self.where.setdefault(chunk, []).append(place)

    def chunk(self, chunk, kind):  # §6.2, §7: any pack that holds it serves
        if self.where is None:
            self.load_index()
        failure = Damaged(f"chunk {chunk.hex()} is in no pack")
        for name, offset, stored, length, its_kind, compression in self.where.get(chunk, []):
            try:
                file, head, key = self.pack(name)
                check(its_kind == kind and compression < 2 and head[9] == (1 if kind == DATA else 2), "a chunk of a wrong kind")
                file.seek(offset)
                associated = b"terp/1/entry" + self.repo + bytes([head[9], kind, compression]) + chunk + struct.pack("<I", offset)
                content = unseal(key, offset, file.read(stored), associated, f"chunk {chunk.hex()} in pack {name}")
                if compression:
                    content = zstandard.ZstdDecompressor().decompress(content, max_output_size=length)
                again = hmac.digest(self.id_key, HASHES[self.format.get("content_hash", "sha256")](content) + bytes([kind]), "sha256")
                check(len(content) == length and again == chunk, f"chunk {chunk.hex()} has other content")
                return content
            except (Damaged, OSError, zstandard.ZstdError) as error:
                failure = error
        raise failure

    def entries(self, page, level):  # §9.1
        at, path = Cursor(self.chunk(page, PAGE)), None
        check(at.take(2) == bytes([1, level]), "version or level of a page")
        count = at.varint()
        if level > 0:
            for first, child, below, size in at.end([(at.bytes(), at.take(32), *at.varints(2)) for _ in range(count)]):
                entries = list(self.entries(child, level - 1))
                check(entries[0]["path"] == first and len(entries) == below, "a page has not the entries that it should")
                check(sum(entry["size"] for entry in entries) == size, "a page has not the content that it should")
                yield from entries
            return
        names, chunks = [at.bytes() for _ in range(at.varint())], at.ids()
        for _ in range(count):
            before, path = path, (path or b"")[:at.varint()] + at.bytes()
            check(before is None or before.replace(b"/", b"\0") < path.replace(b"/", b"\0"), "paths out of order")
            yield self.entry(at, path, names, chunks)
        at.end(None)

    def entry(self, at, path, names, chunks):  # §9.2
        entry = {"path": path, "type": TYPES[at.take(1)[0] - 1]}
        marks, entry["mode"], entry["uid"], entry["gid"], user, group = at.varints(6)
        entry.update(marks=marks, user=user and names[user - 1], group=group and names[group - 1])
        entry.update(modified=at.time(), changed=at.time(), born=marks & 32 and at.time())
        entry["device"], entry["inode"], entry["links"], entry["size"] = at.varints(4)
        entry["flags"] = marks & 16 and at.varint()
        entry["xattrs"] = [(at.bytes(), at.bytes()) for _ in range(at.varint())] if marks & 8 else []
        if entry["type"] == "file":
            entry["extents"] = at.extents(chunks)
            check(sum(extent[3] for extent in entry["extents"]) == entry["size"], "extents do not add up")
        elif entry["type"] == "symlink":
            entry["target"] = at.bytes()
        elif entry["type"].endswith("device"):
            entry["numbers"] = at.varints(2)
        return entry

    def content(self, extents, above=None):
        for kind, chunk, offset, length in extents:
            check(kind in (0, 1) if above == 0 else kind == 2 if above else kind < 3, "an extent of a wrong kind")
            if kind == 0:
                yield from (bytes(min(1 << 20, length - at)) for at in range(0, length, 1 << 20))
            elif kind == 1:
                if not self.last or self.last[0] != chunk:
                    self.last = chunk, self.chunk(chunk, DATA)
                check(offset + length <= len(self.last[1]), "an extent runs past its chunk")
                yield self.last[1][offset:offset + length]
            else:
                at = Cursor(self.chunk(chunk, LIST))
                version, level = at.take(2)
                check(version == 1 and (above is None or level == above - 1), "version or level of a content list")
                inner = at.end(at.extents(at.ids()))
                check(sum(extent[3] for extent in inner) == length, "a content list does not add up")
                yield from self.content(inner, level)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("pool")
    for option in ("--passphrase-file", "--key-file", "--word-list"):
        parser.add_argument(option)
    parser.add_argument("--content", action="store_true")
    parser.add_argument("command", choices=["list", "entries", "extract"])
    parser.add_argument("rest", nargs="*")
    a = parser.parse_args()
    passphrase = a.passphrase_file and open(a.passphrase_file, "rb").read().rstrip(b"\r\n")
    pool = Pool(a.pool, passphrase, a.key_file and key_file_secret(open(a.key_file, "rb").read(), a.word_list))
    points = sorted(pool.points(), key=lambda point: point["finished"])
    if a.command == "list":
        return print(json.dumps(points))
    point = [point for point in points if a.rest[0] == "latest" or point["id"].startswith(a.rest[0])][-1]
    for entry in pool.entries(bytes.fromhex(point["root"]), point["level"]):
        extents = entry.pop("extents", None)
        if a.command == "entries":
            if a.content and extents is not None:
                digest = hashlib.sha256()
                for piece in pool.content(extents):
                    digest.update(piece)
                entry["sha256"] = digest.hexdigest()
            print(json.dumps(entry, default=lambda value: base64.b64encode(value).decode()))
        elif entry["path"] == os.fsencode(a.rest[1]).lstrip(b"/") and extents is not None:
            for piece in pool.content(extents):
                sys.stdout.buffer.write(piece)
            return None
    return None if a.command == "entries" else sys.exit("reader: no such file in the recovery point")


if __name__ == "__main__":
    try:
        main()
    except Damaged as damage:
        sys.exit(f"reader: {damage}")
