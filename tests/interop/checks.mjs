// What every JavaScript client must get from the fixture, whichever SDK and revision it speaks.
// Also the frame around it: options from the environment, one line a check, one sentence a failure.

import process from 'node:process';

const HELLO = 'docs://manual/hello.txt';
const MILLISECONDS = 60_000;

export class Failed extends Error {}

function expect(holds, what, got) {
  if (!holds) throw new Failed(`${what}, got: ${JSON.stringify(got)}`.slice(0, 400));
}

const textOf = (result) => result.content.map((block) => block.text ?? '').join('');

/// The stdio command as a child of the shell, which `exec` replaces: one process, one pid.
export function stdioCommand() {
  const line = process.env.MCP_STDIO_COMMAND;
  if (!line) return undefined;
  return { command: '/bin/sh', args: ['-c', `exec ${line}`], stderr: 'inherit' };
}

/// The options of an HTTP transport with this key; every answered status goes into `statuses`.
export function httpOptions(key, statuses = []) {
  return {
    requestInit: { headers: { Authorization: `Bearer ${key}` } },
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      statuses.push(response.status);
      return response;
    },
  };
}

/// `callTool(params, options)` hides the one call whose signature differs between the SDKs.
export async function* checks(client, callTool) {
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  const wanted = ['echo', 'add', 'slow_count'].every((name) => names.includes(name));
  expect(wanted, 'tools/list lacks a tool of the fixture', names);
  yield 'tools are listed';

  const echo = await callTool({ name: 'echo', arguments: { text: 'grüße, мир' } });
  expect(!echo.isError && textOf(echo) === 'grüße, мир', 'echo changed its text', echo);
  yield 'a tool is called';

  const add = await callTool({ name: 'add', arguments: { a: 2, b: 3 } });
  expect(add.structuredContent?.sum === 5, 'add has no structured sum of 5', add);
  yield 'a tool answers with structured content';

  const unknown = await callTool({ name: 'no_such_tool', arguments: {} }).catch((error) => error);
  const asError = unknown instanceof Error ? unknown.code === -32602 : unknown.isError === true;
  expect(asError, 'an unknown tool is not answered as one', unknown.code ?? unknown);
  yield 'an unknown tool is an error';

  const seen = [];
  const onprogress = ({ progress, total }) => seen.push(`${progress}/${total}`);
  const count = await callTool({ name: 'slow_count', arguments: { count: 3 } }, { onprogress });
  expect(!count.isError && textOf(count) !== '', 'slow_count failed', count);
  expect(seen.join(' ') === '1/3 2/3 3/3', 'progress is not 1, 2, 3 of 3', seen);
  yield 'progress is received in order';

  const abort = new AbortController();
  const cancel = { signal: abort.signal, onprogress: () => abort.abort() };
  const given = await callTool({ name: 'slow_count', arguments: { count: 100 } }, cancel).then(
    () => 'answered',
    () => 'given up',
  );
  expect(given === 'given up', 'a cancelled call was answered', given);
  const after = await callTool({ name: 'echo', arguments: { text: 'after' } });
  expect(textOf(after) === 'after', 'echo failed after a cancelled call', after);
  yield 'a call is cancelled';

  const uris = (await client.listResources()).resources.map((resource) => resource.uri);
  expect(uris.includes(HELLO), `resources/list lacks ${HELLO}`, uris);
  const templates = (await client.listResourceTemplates()).resourceTemplates;
  expect(templates.some((t) => t.uriTemplate.includes('{')), 'no resource template', templates);
  yield 'resources and templates are listed';

  const { contents } = await client.readResource({ uri: HELLO });
  const exact = contents.length === 1 && contents[0].text === 'hello from a file\n';
  expect(exact, `${HELLO} has the wrong text`, contents);
  yield 'a resource is read';

  const prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
  expect(prompts.includes('greeting'), 'prompts/list lacks greeting', prompts);
  const { messages } = await client.getPrompt({ name: 'greeting', arguments: { name: 'Ada' } });
  expect(messages.some((m) => m.content.text?.includes('Ada')), 'no Ada in the prompt', messages);
  yield 'a prompt is listed and got';

  const { completion } = await client.complete({
    ref: { type: 'ref/prompt', name: 'greeting' },
    argument: { name: 'name', value: 'wo' },
  });
  expect(completion.values.join() === 'world', '`wo` does not complete to world', completion);
  yield 'an argument is completed';
}

/// A wrong key must be answered 401; any other end of the attempt proves nothing.
export async function refused(connect) {
  const statuses = [];
  const outcome = await connect(httpOptions('not-the-key-of-this-server', statuses)).then(
    (client) => client.close().then(() => 'let in'),
    () => 'refused',
  );
  expect(outcome === 'refused', 'a wrong key was let in', outcome);
  const only401 = statuses.length > 0 && statuses.every((status) => status === 401);
  expect(only401, 'a wrong key is not answered 401', statuses);
}

/// Runs the modes one after the other: `[{label, version, connect(httpOptions), callTool}]`.
/// `connect` without options means stdio, and resolves to a connected client.
export async function run(modes) {
  const stdio = process.env.MCP_STDIO_COMMAND !== undefined;
  const pass = (label, what) => console.log(`ok - ${label}: ${what}`);
  for (const mode of modes) {
    const label = mode.label.replace('TRANSPORT', stdio ? 'stdio' : 'https');
    const failed = (error) => {
      const text = error instanceof Failed ? error.message : `${error.name}: ${error.message}`;
      const cause = error.cause ? ` (${error.cause.message ?? error.cause})` : '';
      console.error(`not ok - ${label}: ${text}${cause}`.replaceAll('\n', ' '));
      process.exit(1);
    };
    const limit = setTimeout(() => failed(new Failed('not done in time')), MILLISECONDS);
    try {
      const options = stdio ? undefined : httpOptions(process.env.MCP_KEY);
      const client = await mode.connect(options);
      const version = mode.negotiated(client);
      expect(version === mode.version, `this mode should end at ${mode.version}`, version);
      pass(label, `connected with ${version}`);
      const callTool = (params, options) => mode.callTool(client, params, options);
      for await (const passed of checks(client, callTool)) pass(label, passed);
      await client.close();
      if (!stdio) {
        await refused(mode.connect);
        pass(label, 'a wrong key is refused');
      }
    } catch (error) {
      failed(error);
    }
    clearTimeout(limit);
  }
}
