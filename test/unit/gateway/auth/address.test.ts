import { describe, expect, it } from "vitest";
import { AddressBook, addressGroup, isLoopback } from "../../../../src/gateway/auth/address.ts";

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
    ["10.1.1.1", undefined, "10.1.1.1"],
    ["fd00::5", "2001:db8::1", "2001:db8::1"],
    [undefined, "1.2.3.4", ""],
  ])("of %s forwarding %j is %s", (remote, forwarded, expected) => {
    expect(behind.clientOf(remote, forwarded)).toBe(expected);
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
