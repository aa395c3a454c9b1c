import { expect, test } from "bun:test";
import { parseAddress } from "../../../cluster/rendezvous/parse_address.ts";

test("parseAddress() takes names and both kinds of numbers", () => {
  const parse = (text: string) => parseAddress(text, "--peers", 29400);
  expect(parse("node1:5000")).toEqual({ host: "node1", port: 5000 });
  expect(parse(" node_1.example.org ")).toEqual({ host: "node_1.example.org", port: 29400 });
  expect(parse("10.0.0.7:1")).toEqual({ host: "10.0.0.7", port: 1 });
  expect(parse("[::1]:29401")).toEqual({ host: "::1", port: 29401 });
  expect(parse("[fe80::1%eth0]")).toEqual({ host: "fe80::1%eth0", port: 29400 });
});

test("parseAddress() refuses the rest, naming it", () => {
  const refused = (text: string, word = `--peers: ${JSON.stringify(text)} is not an address`) =>
    expect(() => parseAddress(text, "--peers", 29400)).toThrow(word);
  for (const text of ["", ":29400", "a:0", "a:65536", "a:b", "a b", "http://a", "[a]:1"]) {
    refused(text);
  }
  refused("::1", "put an IPv6 address in brackets: [::1]:29400");
  expect(() => parseAddress("node1", "--rendezvous", undefined)).toThrow("write host:port");
});
