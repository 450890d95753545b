"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const form = at("filter"), search = at("search"), tier = at("tier"), kind = at("kind");
  const shown = at("shown"), nothing = at("nothing"), fold = at("fold");
  const boxes = [...form.querySelectorAll("input[name=action]")];

  // Read once: a filter then touches only what it changes.
  const tiers = [...document.querySelectorAll(".tier")].map((element) => ({
    element,
    place: element.dataset.tier,
    services: [...element.querySelectorAll(".service")].map((element) => ({
      element,
      name: element.querySelector("h4").textContent,
      steps: [...element.querySelectorAll(".step")].map((element) => ({
        element,
        action: element.dataset.action,
        kind: element.dataset.kind,
        text: null,
      })),
    })),
  }));
  const steps = tiers.flatMap((tier) => tier.services.flatMap((service) => service.steps));
  const show = (element, visible) => {
    if (element.hidden === visible) element.hidden = !visible;
  };

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const actions = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const one of tiers) {
      let inTier = 0;
      for (const service of one.services) {
        let inService = 0;
        for (const step of service.steps) {
          let fits = (!tier.value || tier.value === one.place) && (!kind.value || kind.value === step.kind)
            && actions.has(step.action);
          if (fits && words.length) {
            step.text ??= `${service.name} ${step.element.textContent}`.toLowerCase();
            fits = words.every((word) => step.text.includes(word));
          }
          show(step.element, fits);
          inService += fits;
        }
        show(service.element, inService > 0);
        inTier += inService;
      }
      show(one.element, inTier > 0);
      count += inTier;
    }
    show(nothing, count === 0 && steps.length > 0);
    shown.textContent = `${count.toLocaleString("en")} of ${steps.length.toLocaleString("en")} objects`;
  };

  const everything = () => {
    form.reset();
    boxes.forEach((box) => { box.checked = true; });
    filter();
  };
  const folded = (open) => {
    for (const { element } of steps) if (!element.hidden && element.tagName === "DETAILS") element.open = open;
    fold.setAttribute("aria-expanded", String(open));
    fold.textContent = open ? "Fold all" : "Unfold all";
  };

  // What a link leads to is shown, whatever the filter hides.
  const follow = () => {
    const target = location.hash.length > 1 && at(location.hash.slice(1));
    if (!target) return;
    if (target.closest("[hidden]")) everything();
    if (target.tagName === "DETAILS") target.open = true;
    (target.tagName === "DETAILS" ? target.firstElementChild : target).focus({ preventScroll: true });
    target.scrollIntoView({ block: "start" });
  };

  const move = (by) => {
    const heads = steps.filter(({ element }) => !element.hidden).map(({ element }) => element.querySelector("summary"))
      .filter(Boolean);
    const here = heads.indexOf(document.activeElement);
    const next = heads[here < 0 ? (by > 0 ? 0 : heads.length - 1) : here + by];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "")
      && document.activeElement.type !== "checkbox";
    if (event.key === "Escape" && document.activeElement === search) {
      event.preventDefault();
      if (search.value) { search.value = ""; filter(); } else { search.blur(); }
    } else if (!typing && event.key === "/") {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (!typing && (event.key === "j" || event.key === "k")) {
      event.preventDefault();
      move(event.key === "j" ? 1 : -1);
    }
  });
  search.addEventListener("input", filter);
  form.addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  at("afresh").addEventListener("click", () => { form.reset(); filter(); });
  fold.addEventListener("click", () => folded(fold.getAttribute("aria-expanded") !== "true"));
  at("again").addEventListener("click", () => { everything(); search.focus(); });
  window.addEventListener("hashchange", follow);

  form.hidden = false;
  at("keys").hidden = false;
  filter();
  follow();
})();
