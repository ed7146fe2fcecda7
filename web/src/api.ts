// Talking to the server.

async function answered(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await response.text();
  let detail: unknown = text;
  try {
    detail = (JSON.parse(text) as { detail: unknown }).detail;
  } catch {
    // not JSON: the text itself is the sentence
  }
  throw new Error(typeof detail === "string" ? detail.trim() : `The server answers ${response.status}.`);
}

export async function get<T>(path: string): Promise<T> {
  return (await (await answered(await fetch(`/api${path}`))).json()) as T;
}

export async function post<T>(path: string, body?: unknown): Promise<T> {
  const response = await fetch(`/api${path}`, {
    method: "POST",
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return (await (await answered(response)).json()) as T;
}

export async function remove(path: string): Promise<void> {
  await answered(await fetch(`/api${path}`, { method: "DELETE" }));
}

/** Send a body; `progress` hears the share that has gone out. */
export function put<T>(path: string, body: Blob, progress?: (share: number) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api${path}`);
    request.upload.onprogress = (event) => progress?.(event.loaded / Math.max(event.total, 1));
    request.onerror = () => reject(new Error("The server cannot be reached."));
    request.onload = () => {
      const response = new Response(request.responseText, { status: request.status });
      answered(response)
        .then(async (good) => resolve((await good.json()) as T))
        .catch(reject);
    };
    request.send(body);
  });
}
