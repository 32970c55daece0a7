// Graphs as the frontend holds them, as much of them as web/js reads.

import { app } from "./app.js";

class Node {
  constructor(type, widgets = {}, inputs = []) {
    this.type = type;
    this.comfyClass = type;
    this.mode = 0;
    this.widgets = Object.entries(widgets).map(([name, value]) => ({ name, value, options: {} }));
    this.inputs = [...new Set([...inputs, ...Object.keys(widgets)])].map((name) => ({ name, type: "*" }));
    this.outputs = [{ links: [] }];
    this.size = [200, 100];
  }

  getInputLink(slot) {
    if (this.subgraph) throw new Error("it tells of a link inside, at an output");
    return this.inputs[slot].wire ?? null;
  }

  isInputConnected(slot) {
    return Boolean(this.inputs[slot].wire);
  }

  getInputNode(slot) {
    const link = this.getInputLink(slot);
    return link && this.graph.getNodeById(link.origin_id);
  }

  addInput(name, type) {
    this.inputs.push({ name, type });
  }

  removeInput(slot) {
    this.inputs.splice(slot, 1);
  }

  addDOMWidget(name, type, element, options) {
    const widget = { name, type, element, options };
    this.widgets.push(widget);
    return widget;
  }

  computeSize() {
    return [200, 50 + 20 * this.inputs.length];
  }

  setSize(size) {
    this.size = size;
  }
}

/** A graph with these nodes, by their ids; `inputs` are what a subgraph shows of them. */
export function graphOf(nodes, inputs = []) {
  const graph = {
    id: "test",
    inputs: inputs.map((name) => ({ name })),
    nodes: Object.entries(nodes).map(([id, node]) => Object.assign(node, { id: Number(id) })),
    get links() {
      return new Set(
        graph.nodes.flatMap(({ id, inputs }) =>
          inputs.flatMap(({ wire }, slot) => (wire ? { ...wire, target_id: id, target_slot: slot } : [])),
        ),
      );
    },
    getNodeById: (id) => graph.nodes.find((node) => node.id === Number(id)) ?? null,
  };
  for (const node of graph.nodes) node.graph = graph;
  return graph;
}

/** The same as the workflow that is open. */
export function open(nodes) {
  app.rootGraph = graphOf(nodes);
  return app.rootGraph;
}

/** A node with widgets and their values, and inputs that have none. */
export function node(type, widgets, inputs) {
  return new Node(type, widgets, inputs);
}

/** A node that holds `graph`, and says its inputs by widgets. */
export function subgraphNode(graph, widgets) {
  return Object.assign(new Node("a-uuid", widgets), { comfyClass: undefined, subgraph: graph });
}

/** Wire an input to the first output of the node with an id; -10 is what comes from outside of a subgraph. */
export function wire(target, name, id, slot = 0) {
  target.inputs.find((input) => input.name === name).wire = { origin_id: id, origin_slot: slot };
}
