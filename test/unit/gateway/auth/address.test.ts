import { describe, expect, it } from "vitest";
import { AddressBook, addressGroup, isLoopback } from "../../../../src/gateway/auth/address.ts";
import { readForwarded } from "../../../../src/gateway/auth/forwarded.ts";

describe("the client's address", () => {
  const behind = new AddressBook(["10.0.0.0/8", "fd00::/8", "192.0.2.1"]);

  it.each([
    ["198.51.100.7", "1.2.3.4", "198.51.100.7"],
    ["10.1.1.1", "1.2.3.4", "1.2.3.4"],
    ["::ffff:10.1.1.1", "1.2.3.4", "1.2.3.4"],
    ["10.1.1.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"],
    ["10.1.1.1", "1.2.3.4, 192.0.2.1", "1.2.3.4"],
    ["10.1.1.1", "1.2.3.4, 10.9.9.9, fd00::1", "1.2.3.4"],
    ["10.1.1.1", "garbage", "10.1.1.1"],
    ["10.1.1.1", "1.2.3.4, garbage", "10.1.1.1"],
    ["10.1.1.1", "", "10.1.1.1"],
    // Azure Application Gateway and IIS ARR write the port beside it.
    ["10.1.1.1", "1.2.3.4:1001", "1.2.3.4"],
    ["10.1.1.1", "6.6.6.6:1, 1.2.3.4:1001, 10.9.9.9:2002", "1.2.3.4"],
    ["10.1.1.1", "[2001:db8::1]:1001", "2001:db8::1"],
    ["10.1.1.1", "[2001:db8::1]", "2001:db8::1"],
    ["10.1.1.1", "2001:db8::1, [fd00::7]:443", "2001:db8::1"],
    ["10.1.1.1", "::ffff:1.2.3.4", "1.2.3.4"],
    ["10.1.1.1", "[::ffff:1.2.3.4]:80", "1.2.3.4"],
    ["10.1.1.1", "1.2.3.4:", "1.2.3.4"],
    // Whatever else it is, it is nobody: the proxy's own address stays.
    ["10.1.1.1", "unknown", "10.1.1.1"],
    ["10.1.1.1", "1.2.3.4, [2001:db8::1", "10.1.1.1"],
    ["10.1.1.1", "1.2.3.4:80:90", "10.1.1.1"],
    ["10.1.1.1", "1.2.3", "10.1.1.1"],
    ["fd00::5", "2001:db8::1", "2001:db8::1"],
    [undefined, "1.2.3.4", ""],
  ])("of %s forwarding %j is %s", (remote, forwarded, expected) => {
    const { hops } = readForwarded({ "x-forwarded-for": forwarded });
    expect(behind.clientOf(remote, hops).address).toBe(expected);
  });

  it.each([
    ["for=1.2.3.4", "1.2.3.4", undefined],
    ['For="1.2.3.4:1001"', "1.2.3.4", undefined],
    ['for=6.6.6.6;proto=http, for="[2001:db8::1]:47011";by=10.1.1.1', "2001:db8::1", undefined],
    ['host="a,b" ; for=1.2.3.4', "1.2.3.4", undefined],
    ["for=1.2.3.4, for=unknown", "10.1.1.1", "unknown"],
    ['for=1.2.3.4, for="_hidden"', "10.1.1.1", "_hidden"],
    ["proto=https", "10.1.1.1", undefined],
    ['for="1.2.3.4', "10.1.1.1", ""],
    ['for="'.repeat(1_000), "10.1.1.1", undefined],
  ])("Forwarded: %s is %s", (forwarded, address, unreadable) => {
    const { hops } = readForwarded({ forwarded });
    expect(behind.clientOf("10.1.1.1", hops)).toEqual({
      address,
      ...(unreadable === undefined ? {} : { unreadable }),
    });
  });

  it("takes X-Forwarded-For where both are there, and neither from whom it does not trust", () => {
    const { hops } = readForwarded({ forwarded: "for=6.6.6.6", "x-forwarded-for": "1.2.3.4" });
    expect(behind.clientOf("10.1.1.1", hops)).toEqual({ address: "1.2.3.4" });
    expect(behind.clientOf("198.51.100.7", ["garbage"])).toEqual({ address: "198.51.100.7" });
    expect(behind.clientOf("10.1.1.1", ["garbage", "1.2.3.4"])).toEqual({ address: "1.2.3.4" });
  });

  it.each(["10.0.0.0/99", "nonsense", "10.0.0.0/x", "10.0.0.0/-1"])("refuses the range %s", (range) => {
    expect(() => new AddressBook([range])).toThrow(/not an address range/);
  });
});

describe("groups", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002::9", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1", "fe80:0:0:0::/64"],
    ["", ""],
  ])("%s counts as %s", (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });
});

describe("loopback", () => {
  it.each(["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"])(
    "%s",
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );
  it.each(["0.0.0.0", "::", "192.0.2.1", "127.0.0.1.example.org", "localhost.example.org", ""])(
    "not %j",
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
});
