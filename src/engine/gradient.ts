// Reverse mode over the recorded graph. The result is more graph: nothing is computed here.
import { add } from "../../kernels/elementwise/index.ts";
import { broadcastTo } from "../../kernels/movement/index.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import { constant, type OpNode, scalar, type Tensor } from "../tensor/tensor.ts";

/** Output gradients by node id and output index. */
class Cotangents {
  private readonly byNode = new Map<number, (Tensor | undefined)[]>();

  of(id: number): readonly (Tensor | undefined)[] | undefined {
    return this.byNode.get(id);
  }

  accumulate(target: Tensor, gradient: Tensor): void {
    if (!sameShape(target.shape, gradient.shape)) {
      const name = target.node.kind === "op" ? target.node.op.name : target.node.kind;
      throw new Error(
        `gradient: ${name} of shape ${formatShape(target.shape)} was given ${formatShape(gradient.shape)}`,
      );
    }
    if (target.dtype !== gradient.dtype) {
      const name = target.node.kind === "op" ? target.node.op.name : target.node.kind;
      throw new Error(`gradient: ${name} of ${target.dtype} was given ${gradient.dtype}`);
    }
    const slots = this.byNode.get(target.node.id) ?? [];
    this.byNode.set(target.node.id, slots);
    const before = slots[target.index];
    slots[target.index] = before ? addTo(before, gradient) : gradient;
  }
}

/** sum + term, for a term that nobody else needs: in the op that makes it where that can add. */
function addTo(sum: Tensor, term: Tensor): Tensor {
  const { node } = term;
  const added = node.kind === "op" ? node.op.addedTo?.(sum, node) : undefined;
  return added ?? add(sum, term);
}

/** Nodes from which some tensor of `wrt` is reachable, i.e. through which gradient must flow. */
function dependents(order: readonly OpNode[], wrt: readonly Tensor[]): Set<number> {
  const wanted = new Set(wrt.map((tensor) => tensor.node.id));
  const needed = new Set<number>(wanted);
  for (const node of order) {
    if (node.inputs.some((input) => needed.has(input.node.id))) needed.add(node.id);
  }
  return needed;
}

/** Op nodes below `root`, inputs before users. */
export function topologicalOrder(roots: readonly Tensor[]): OpNode[] {
  const seen = new Map<number, OpNode>();
  const stack = roots.map((root) => root.node);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.kind !== "op" || seen.has(node.id)) continue;
    seen.set(node.id, node);
    for (const input of node.inputs) stack.push(input.node);
  }
  // Numbers alone sort without a call for each comparison.
  const ids = new Float64Array(seen.size);
  let count = 0;
  for (const id of seen.keys()) ids[count++] = id;
  const nodes: OpNode[] = [];
  for (const id of ids.sort()) {
    const node = seen.get(id);
    if (node) nodes.push(node);
  }
  return nodes;
}

/**
 * d loss / d wrt[i], each of the shape of wrt[i]; zeros where the loss does not depend on it.
 *
 * @param loss scalar f32.
 * @param onto what is there already, by wrt: the gradients are added to it, each where it is made.
 * @throws Error naming the op if gradient must pass an op that has none.
 */
export function gradient(
  loss: Tensor,
  wrt: readonly Tensor[],
  onto: readonly Tensor[] = [],
): Tensor[] {
  if (loss.size !== 1 || loss.dtype !== "f32") {
    throw new Error(`gradient: the loss must be a scalar f32, not ${formatShape(loss.shape)}`);
  }
  const order = topologicalOrder([loss]);
  const needed = dependents(order, wrt);
  const cotangents = new Cotangents();
  for (const [index, sum] of onto.entries()) cotangents.accumulate(wrt[index], sum);
  cotangents.accumulate(
    loss,
    loss.shape.length === 0 ? scalar(1) : constant(new Float32Array([1]), loss.shape),
  );
  for (const node of order.reverse()) {
    const outputGradients = cotangents.of(node.id);
    if (!outputGradients || !needed.has(node.id)) continue;
    if (!node.op.gradient) throw new Error(`gradient: ${node.op.name} has no gradient`);
    const inputGradients = node.op.gradient(node, outputGradients);
    for (let index = 0; index < node.inputs.length; index++) {
      const [input, inputGradient] = [node.inputs[index], inputGradients[index]];
      if (inputGradient && needed.has(input.node.id)) cotangents.accumulate(input, inputGradient);
    }
  }
  return wrt.map((tensor) => {
    const found = cotangents.of(tensor.node.id)?.[tensor.index];
    // Zeros that the device makes: an array of them would be a constant of every plan.
    return found ?? broadcastTo(scalar(0, tensor.dtype), tensor.shape);
  });
}
