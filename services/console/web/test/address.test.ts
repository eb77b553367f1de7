import assert from "node:assert/strict";
import test from "node:test";
import { dialled, initials, readable, title } from "../src/address";

test("what people dial", () => {
  const table: Array<[typed: string, want: string | undefined]> = [
    ["+12025550199", "+12025550199@demo.test"],
    [" +1 (202) 555-0199 ", "+12025550199@demo.test"],
    ["1-202-555-0199", "12025550199@demo.test"],
    ["tel:+12025550199", "+12025550199@demo.test"],
    ["bob", "bob@demo.test"],
    ["bob@Demo.Test", "bob@demo.test"],
    ["Bob@demo.test", "Bob@demo.test"],
    ["sip:bob@example.org", "bob@example.org"],
    ["SIPS:bob@example.org", "bob@example.org"],
    ["+1 202 555 0199@example.org", "+12025550199@example.org"],
    ["mary-ann.x", "mary-ann.x@demo.test"],
    ["", undefined],
    ["   ", undefined],
    ["bob smith", undefined],
    ["bob@", undefined],
    ["@demo.test", undefined],
    ["bob@exa mple.org", undefined],
    ["bob@example.org:5060", undefined],
    ["<script>@example.org", undefined],
  ];
  for (const [typed, want] of table) assert.equal(dialled(typed, "demo.test"), want, JSON.stringify(typed));
});

test("a bare name needs a domain", () => {
  assert.equal(dialled("bob", ""), undefined);
});

test("how addresses read", () => {
  assert.equal(readable("sip:bob@demo.test", "demo.test"), "bob");
  assert.equal(readable("bob@example.org", "demo.test"), "bob@example.org");
  assert.equal(readable("+12025550103@elsewhere.test", "demo.test"), "+12025550103");
  assert.equal(title({ uri: "bob@demo.test", display_name: " Bob B. " }, "demo.test"), "Bob B.");
  assert.equal(title({ uri: "bob@demo.test", display_name: "  " }, "demo.test"), "bob");
});

test("letters that stand for a party", () => {
  for (const [name, want] of [["Alice", "A"], ["bob b. builder", "BB"], ["+1202", "#"], ["", "?"], ["🦊 fox", "🦊F"]]) {
    assert.equal(initials(name!), want);
  }
});
