// Numbers drawn on the host: initial values, layer drop. Philox keyed by a seed and a name, so that
// a parameter starts the same whatever else the model contains.
import { countersOf, type Draw, drawInto, gauss } from "../../kernels/random/draws.ts";
import { philoxInto } from "../../kernels/random/philox.ts";

/** Who fills arrays: drawInto(), or what gives the same numbers sooner. */
export type Fill = (values: Float32Array, draw: Draw) => void;

export class HostRandom {
  private counter = 0;
  private readonly words = new Uint32Array(4);
  private used = 4;

  constructor(
    private readonly seed: number,
    private readonly stream: number,
    private readonly fill: Fill = drawInto,
  ) {}

  /** The generator of one named thing. */
  static named(seed: number, name: string, fill?: Fill): HostRandom {
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < name.length; i++) {
      hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    }
    return new HostRandom(seed, hash >>> 0, fill);
  }

  /** Uniform in (0, 1), of 32 random bits. */
  uniform(): number {
    return (this.word() + 0.5) / 2 ** 32;
  }

  /** Standard normal by Box and Muller. */
  normal(): number {
    return gauss(this.word(), this.word());
  }

  /** U(-bound, bound) for each value. */
  fillUniform(values: Float32Array, bound: number): void {
    this.fillWith("uniform", values, bound);
  }

  /** N(0, deviation) for each value. */
  fillNormal(values: Float32Array, deviation: number): void {
    this.fillWith("normal", values, deviation);
  }

  /** From the next counter on: what is left of the last one's words is passed over. */
  private fillWith(kind: Draw["kind"], values: Float32Array, scale: number): void {
    const { seed, stream, counter } = this;
    this.fill(values, { kind, scale, seed, stream, counter });
    this.counter += countersOf({ kind }, values.length);
    this.used = 4;
  }

  private word(): number {
    if (this.used === 4) {
      philoxInto(this.words, this.counter++, 0, 0, 1, this.seed, this.stream);
      this.used = 0;
    }
    return this.words[this.used++];
  }
}
