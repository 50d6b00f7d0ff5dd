// A shop's mix: everybody looks, one in five buys. Run by `tes load`, or by hand:
//   k6 run -e BASE_URL=http://127.0.0.1:8000 load/checkout.js
import http from 'k6/http';
import { check } from 'k6';

const BASE = __ENV.BASE_URL || 'http://127.0.0.1:8000';

export const options = {
  scenarios: {
    shop: {
      // An open model: requests arrive whatever the answers take, as customers do.
      executor: 'constant-arrival-rate',
      rate: 25,
      timeUnit: '1s',
      duration: '8s',
      preAllocatedVUs: 30,
      maxVUs: 50,
    },
  },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    http_req_duration: ['p(95)<300'],
    // k6 ends with 0 when every iteration throws: only this notices.
    checks: ['rate>0.99'],
    dropped_iterations: ['count<10'],
  },
};

export default function () {
  const products = http.get(`${BASE}/products`);
  check(products, {
    'products are listed': (r) => r.status === 200 && r.json('products').length > 0,
  });
  if (Math.random() < 0.2) {
    const body = JSON.stringify({ customer: 'load@example.com', items: [{ product: 1, quantity: 2 }] });
    const order = http.post(`${BASE}/orders`, body, { headers: { 'Content-Type': 'application/json' } });
    check(order, { 'the order is placed': (r) => r.status === 201 && r.json('total_cents') === 1780 });
  }
}
