// Starts `gonogo lsp` and hands it the documents that it reads. Everything else is the server's: see docs/editors.md.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const [command, ...args] = workspace.getConfiguration("gonogo").get("command");
  const documentSelector = ["python", "yaml", "toml"].map((language) => ({ scheme: "file", language }));
  client = new LanguageClient("gonogo", "gonogo", { command, args }, { documentSelector });
  return client.start();
};

exports.deactivate = () => client?.stop();
