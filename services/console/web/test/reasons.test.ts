import assert from "node:assert/strict";
import test from "node:test";
import { code, inWords } from "../src/reasons";

test("reasons in words", () => {
  const table: Array<[reason: string, status: number, words: string]> = [
    ["486 Busy Here", 486, "Busy, or declined"],
    ["404", 404, "No such number or address"],
    ["904 Operation has no matching challenge ", 904, "Wrong account or password"],
    ["500 Server Internal Error", 500, "The exchange could not complete the call"],
    ["503 Service Unavailable", 503, "The exchange is full, try again later"],
    ["499 Something New", 499, "499 Something New"],
    ["SIP domain not allowed: x", 0, "SIP domain not allowed: x"],
    ["", 0, "Call ended"],
    ["48600", 0, "48600"],
  ];
  for (const [reason, status, words] of table) {
    assert.equal(code(reason), status, reason);
    assert.equal(inWords(reason), words, reason);
  }
});
