// Elements without templates: text from files is only ever set as text.

type Child = Node | string | null | false;
type Props = Record<string, unknown>;

function add(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child !== null && child !== false) parent.append(child);
  }
}

/** An element; `on...` are listeners, other properties are attributes, false leaves one out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) {
      made.addEventListener(name.slice(2), value as EventListener);
    } else if (value !== false && value !== undefined && value !== null) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  add(made, children);
  return made;
}

/** An SVG element. */
export function svg(tag: string, props: Props = {}, ...children: Child[]): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) made.setAttribute(name, String(value));
  add(made, children);
  return made;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Tell the user something in a line that fades. */
export function tell(text: string, kind: "plain" | "bad" = "plain"): void {
  const line = el("p", { class: `line ${kind}` }, text);
  byId("told").append(line);
  setTimeout(() => line.remove(), kind === "bad" ? 12_000 : 5_000);
}

/** Do something that may fail, and tell why it did. */
export function trying(work: () => Promise<void>): void {
  work().catch((error: unknown) => tell(error instanceof Error ? error.message : String(error), "bad"));
}

export function button(text: string, act: () => void, props: Props = {}): HTMLButtonElement {
  return el("button", { type: "button", onclick: act, ...props }, text);
}

export function section(title: string, props: Props, ...children: Child[]): HTMLElement {
  return el("section", props, el("h2", {}, title), ...children);
}
