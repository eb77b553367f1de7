// The twelve keys of a telephone, for dialling and for DTMF.

import { make } from "./dom";

const keys: ReadonlyArray<[digit: string, letters: string, name: string]> = [
  ["1", "", "1"],
  ["2", "ABC", "2"],
  ["3", "DEF", "3"],
  ["4", "GHI", "4"],
  ["5", "JKL", "5"],
  ["6", "MNO", "6"],
  ["7", "PQRS", "7"],
  ["8", "TUV", "8"],
  ["9", "WXYZ", "9"],
  ["*", "", "star"],
  ["0", "+", "0"],
  ["#", "", "pound"],
];

const longPress = 500;

/** Fills an element with keys. A long press of 0 gives + if plus is set. */
export function fillPad(pad: HTMLElement, press: (digit: string) => void, plus: boolean): void {
  for (const [digit, letters, name] of keys) {
    const button = make("button", "key", digit);
    button.type = "button";
    button.dataset["digit"] = digit;
    button.setAttribute("aria-label", name);
    if (letters !== "" && (letters !== "+" || plus)) button.append(make("small", "", letters));
    if (digit === "0" && plus) longPressable(button, () => press("+"), () => press("0"));
    else button.addEventListener("click", () => press(digit));
    pad.append(button);
  }
}

function longPressable(button: HTMLButtonElement, long: () => void, short: () => void): void {
  let timer: number | undefined;
  let held = false;
  button.addEventListener("pointerdown", () => {
    held = false;
    timer = window.setTimeout(() => {
      held = true;
      long();
    }, longPress);
  });
  const release = () => window.clearTimeout(timer);
  button.addEventListener("pointerup", release);
  button.addEventListener("pointerleave", release);
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("click", () => {
    if (!held) short();
    held = false;
  });
}
