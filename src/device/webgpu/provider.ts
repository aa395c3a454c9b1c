// Where a WebGPU implementation comes from. Everything above speaks the standard's interface; what a
// binding does differently is answered here.
import { bunWebGpu } from "./provider_bun_webgpu.ts";
import { navigatorGpu } from "./provider_navigator.ts";
import { npmWebGpu } from "./provider_npm_webgpu.ts";

/** The adapters that one provider offers are asked for by these wishes. */
export type AdapterWish = "high-performance" | "low-power" | "fallback";

/** What the standard's `adapter.info` does not tell. */
export interface NativeFacts {
  /** Vulkan, Metal, D3D12, null, ... */
  readonly backend?: string;
  /** True when the driver itself says that the adapter is a CPU. */
  readonly isCpu?: boolean;
}

/** An implementation that is loaded. It must stay referenced as long as one of its devices lives. */
export interface OpenProvider {
  requestAdapter(wish: AdapterWish): Promise<GPUAdapter | null>;
  nativeFacts(adapter: GPUAdapter): NativeFacts;
  /** Frees what nobody uses any more, where the binding has no finalisers. Work under way keeps its own hold. */
  discard(remains: Remains): void;
}

/** What submits and plans leave behind. */
export interface Remains {
  readonly passes?: readonly GPUComputePassEncoder[];
  readonly commands?: GPUCommandBuffer;
  readonly groups?: readonly GPUBindGroup[];
}

export interface Unavailable {
  /** Why there is nothing here, as the end of a sentence. */
  readonly reason: string;
  /** What the user can do about it. */
  readonly remedy: string;
  /** True when this provider does not exist on this runtime at all. */
  readonly absent?: boolean;
}

export interface Provider {
  readonly name: string;
  /**
   * @param listedOnly answer from the drivers that the system lists, where that saves loading a
   * library that complains on stderr when there is none.
   */
  open(listedOnly: boolean): Promise<OpenProvider | Unavailable>;
}

export const isUnavailable = (opened: object): opened is Unavailable => "reason" in opened;

/** In order of preference; one that cannot serve hands over to the next. */
export const providers: readonly Provider[] = [bunWebGpu, navigatorGpu, npmWebGpu];
