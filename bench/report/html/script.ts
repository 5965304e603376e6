/**
 * All that the page can do: a click on a target's key hides it in every chart, another shows it again.
 * Without scripts everything is shown. No `<` and no `&`: the page stays well-formed XML.
 */
export const PAGE_SCRIPT = `
document.addEventListener('click', function (event) {
  var key = event.target.closest('.key');
  if (!key) return;
  var series = key.dataset.series;
  var hidden = document.documentElement.classList.toggle('hide-' + series);
  document.querySelectorAll('.key[data-series="' + series + '"]').forEach(function (other) {
    other.setAttribute('aria-pressed', String(!hidden));
  });
});
`;
