"""The manifest and the devices: complete, pinned, described."""

from absl.testing import absltest
from absl.testing import parameterized

from nasflat_jax import data
from nasflat_jax.data import _devices

_FAMILIES = {
    'gpu', 'cpu', 'phone', 'board', 'asic', 'fpga', 'dsp', 'tpu', 'vpu',
}


class ManifestTest(parameterized.TestCase):

  def test_is_complete(self):
    counts = {name: len(s.files) for name, s in data.sources().items()}
    self.assertEqual(counts, {
        'help_nasbench201': 27 + 2,
        'help_fbnet': 27 + 2,
        'help_ofa': 12 + 2,
        'eagle_nasbench201': 13,
        'oneproxy_nasbench201': 18 + 1,
        'hwnasbench_nasbench201': 1,
        'zccombine_nasbench201': 1,
        'nasflat_fbnet': 1,
        'nasgraph_nasbench201': 3,
        'metad2a_nasbench201': 1,
        'nasgraph_transnas_micro': 7,
        'nasgraph_transnas_macro': 7,
        'suitezero_nasbench101': 1,
        'suitezero_nasbench201': 2,
        'suitezero_darts': 3,
        'suitezero_transnas_micro': 7,
        'suitezero_transnas_macro': 5,
        'naslib_nasbench101': 1,
        'naslib_nasbench201': 1,
        'naslib_darts': 1,
        'naslib725_nasbench201': 1,
        'zccombinetasks_nasbench201': 4,
        'zccombine_transnas_micro': 1,
        'minibench_nasbench201': 1,
        'nasbenchmacro_nasbench_macro': 1,
        'ecnas_nasbench101': 1,
    })

  def test_pins_distinct_contents(self):
    # Byte-identical files under two names would be one device under two names.
    # Some tables share a file.
    files = {f for s in data.sources().values() for f in s.files}
    self.assertLen({f.sha256 for f in files}, len(files))
    self.assertLen({f.mirror_path for f in files}, len(files))
    for file in files:
      self.assertRegex(file.sha256, '^[0-9a-f]{64}$')
      self.assertRegex(file.folder, '^[^/]+/[^/]+/[0-9a-f]{40}$')
      self.assertBetween(file.num_bytes, 1, 3_500_000)
      self.assertNotIn('..', file.path.split('/'))

  def test_states_licence_and_citation(self):
    for source in data.sources().values():
      self.assertNotEmpty(source.licence)
      self.assertNotEmpty(source.citation)

  def test_pins_only_the_drive_folder_of_eagle(self):
    # The other folder's fp16 file of the Jetson Nano is a copy of the fp32 one.
    files = data.sources()['eagle_nasbench201'].files
    for file in files:
      self.assertEqual(file.path.split('/')[-2], 'drive')
    nano = {f.stem: f.sha256 for f in files if 'jetson-nano' in f.stem}
    self.assertSetEqual(set(nano), {
        'embedded-gpu-jetson-nano-fp16', 'embedded-gpu-jetson-nano-fp32',
    })
    self.assertLen(set(nano.values()), 2)

  @parameterized.parameters(
      ('help', 3), ('eagle', 1), ('core', 10), ('accuracy', 16), ('all', 26),
      ('eagle, help_fbnet', 2), ('help,help_ofa', 3),
  )
  def test_selects(self, names, number):
    self.assertLen(data.select_sources(names), number)

  @parameterized.parameters('nope', 'help,nope', '', ',', 'HELP')
  def test_unknown_source_lists_the_known(self, names):
    with self.assertRaisesRegex(ValueError, 'unknown source .*oneproxy'):
      data.select_sources(names)


class DevicesTest(parameterized.TestCase):

  @parameterized.parameters(
      ('1080ti_256', 'gpu', 'GTX 1080 Ti', 256),
      ('titan_xp_64', 'gpu', 'Titan Xp', 64),
      ('titanxp_1', 'gpu', 'Titan Xp', 1),
      ('essential_ph_1', 'phone', 'Essential PH-1', None),
      ('gold_6226', 'cpu', 'Xeon Gold 6226', None),
      ('raspi4', 'board', 'Raspberry Pi 4', None),
  )
  def test_help_names(self, name, family, processor, batch_size):
    device = _devices.help_device(name)
    self.assertEqual(
        (device.name, device.family, device.processor, device.batch_size),
        (name, family, processor, batch_size),
    )
    self.assertEqual((device.unit, device.metric), ('ms', 'latency'))

  @parameterized.parameters(
      _devices.help_device, _devices.eagle_device, _devices.oneproxy_device,
      _devices.hwnasbench_device,
  )
  def test_unknown_names(self, make):
    with self.assertRaisesRegex(ValueError, "no 'abacus'; known: "):
      make('abacus')

  def test_every_file_has_a_described_device(self):
    makers = {
        'help': _devices.help_device,
        'eagle': lambda stem: _devices.eagle_device(stem.replace('-', '_')),
        'oneproxy': _devices.oneproxy_device,
    }
    for name, source in data.sources().items():
      make = makers.get(name.split('_')[0])
      for file in source.files:
        if make and ('latency' in file.path or 'drive' in file.path):
          device = make(file.stem)
          self.assertIn(device.family, _FAMILIES)
          self.assertIn(device.precision, ('fp32', 'fp16', 'int8', 'unknown'))
          self.assertNotEmpty(device.processor)

  def test_precision_of_eagle_is_in_the_name(self):
    for precision in ('fp16', 'fp32'):
      name = f'embedded_gpu_jetson_nano_{precision}'
      self.assertEqual(_devices.eagle_device(name).precision, precision)


if __name__ == '__main__':
  absltest.main()
