// Runs a scenario declared in tes.yaml: an open model, `rate` requests a second whatever the answers take.
// The scenario comes as JSON (SCENARIO names the file), so that nothing of it becomes code.
import http from "k6/http";
import exec from "k6/execution";
import { check } from "k6";

const scenario = JSON.parse(open(__ENV.SCENARIO));
const REQUEST_TIMEOUT = "10s";
const OKAY = http.expectedStatuses({ min: 200, max: 399 });

export const options = {
  scenarios: {
    declared: {
      executor: "constant-arrival-rate",
      rate: scenario.arrivals,
      timeUnit: scenario.per,
      duration: scenario.duration,
      preAllocatedVUs: scenario.vus,
      maxVUs: scenario.max_vus,
      // Longer than a request may take: a request cut off at the end would be counted nowhere.
      gracefulStop: "11s",
    },
  },
  maxRedirects: 0,
};

export default function () {
  const wanted = scenario.requests[exec.scenario.iterationInTest % scenario.requests.length];
  const body = wanted.body === null ? null : JSON.stringify(wanted.body);
  const answer = http.request(wanted.method, `${__ENV.BASE_URL}${wanted.path}`, body, {
    headers: wanted.headers,
    redirects: 0,
    timeout: REQUEST_TIMEOUT,
    responseCallback: wanted.status === null ? OKAY : http.expectedStatuses(wanted.status),
    tags: { name: wanted.name },
  });
  const checks = {};
  checks[wanted.check] = (r) => (wanted.status === null ? r.status >= 200 && r.status < 400 : r.status === wanted.status);
  if (wanted.contains !== null) {
    checks[wanted.check_contains] = (r) => typeof r.body === "string" && r.body.includes(wanted.contains);
  }
  check(answer, checks);
}
