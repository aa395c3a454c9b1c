// Numbers drawn on the host: initial values, layer drop. Philox keyed by a seed and a name, so that
// a parameter starts the same whatever else the model contains.
import { philoxInto } from "../../kernels/random/philox.ts";

export class HostRandom {
  private counter = 0;
  private readonly words = new Uint32Array(4);
  private used = 4;

  constructor(
    private readonly seed: number,
    private readonly stream: number,
  ) {}

  /** The generator of one named thing. */
  static named(seed: number, name: string): HostRandom {
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < name.length; i++) {
      hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    }
    return new HostRandom(seed, hash >>> 0);
  }

  /** Uniform in (0, 1), of 32 random bits. */
  uniform(): number {
    if (this.used === 4) {
      philoxInto(this.words, this.counter++, 0, 0, 1, this.seed, this.stream);
      this.used = 0;
    }
    return (this.words[this.used++] + 0.5) / 2 ** 32;
  }

  /** Standard normal by Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }
}
