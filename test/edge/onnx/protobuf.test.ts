import { expect, test } from "bun:test";
import { ProtoWriter } from "../../../edge/onnx/protobuf.ts";

const hex = (writer: ProtoWriter): string =>
  Array.from(writer.finish(), (byte) => byte.toString(16).padStart(2, "0")).join(" ");

// The examples of https://protobuf.dev/programming-guides/encoding
test("ProtoWriter writes the examples of the format's description", () => {
  expect(hex(new ProtoWriter().integer(1, 150))).toBe("08 96 01");
  expect(hex(new ProtoWriter().text(2, "testing"))).toBe("12 07 74 65 73 74 69 6e 67");
  const inner = new ProtoWriter().integer(1, 150);
  expect(hex(new ProtoWriter().message(3, inner))).toBe("1a 03 08 96 01");
});

test("ProtoWriter writes numbers that need every width, and fields with large numbers", () => {
  expect(hex(new ProtoWriter().integer(20, 0))).toBe("a0 01 00");
  expect(hex(new ProtoWriter().integer(1, 127))).toBe("08 7f");
  expect(hex(new ProtoWriter().integer(1, 2 ** 32))).toBe("08 80 80 80 80 10");
  expect(hex(new ProtoWriter().float(2, 1.5))).toBe("15 00 00 c0 3f");
});
