// An Express application with a protected and a public path; says which handler a request reached. Ends with its stdin.
import express from "express";

const app = express();
app.all("/orders/:rest", (_request, response) => response.send("orders"));
app.all("/orders", (_request, response) => response.send("orders"));
app.all("/health", (_request, response) => response.send("health"));
app.use((_request, response) => response.status(404).send("nothing"));
app.use((_error, _request, response, _next) => response.status(400).send("nothing"));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
