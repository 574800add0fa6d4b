// An Express application; says which handler a request reached. Ends with its stdin.
import express from "express";

const app = express();
for (const name of ["orders", "admin", "staff"]) {
  app.all(`/${name}/{*rest}`, (_request, response) => response.send(name));
  app.all(`/${name}`, (_request, response) => response.send(name));
}
app.all("/items/:id/secret", (_request, response) => response.send("secret"));
app.all("/health", (_request, response) => response.send("health"));
app.use((_request, response) => response.status(404).send("nothing"));
app.use((_error, _request, response, _next) => response.status(400).send("nothing"));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
